import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { crc32, deflateRawSync } from 'node:zlib'
import type { PinnedWheel } from '#dist/cuda/pinned-wheel.js'
import type { WheelSources } from '#dist/cuda/sources/wheel-sources.js'
import { isNeededFile } from '#dist/cuda/unpack-wheel.js'
import { fileHandler, type RequestHandler } from '../download/server.js'

/** An entry of a zip archive. All header fields can be set, as an attacker could do. */
export interface ZipEntry {
  name: string
  content?: Buffer | string
  /** `st_mode`. Default: a regular file. */
  mode?: number
  /** Uncompressed size in the headers. Default: the size of the content. */
  size?: number
  crc?: number
}

/** Creates a zip archive with deflated entries. */
export function zip(entries: readonly ZipEntry[]): Buffer {
  const [files, directory]: [Buffer[], Buffer[]] = [[], []]
  let offset = 0
  for (const { name, content = '', mode = 0o100644, ...header } of entries) {
    const data = Buffer.from(content)
    const compressed = deflateRawSync(data)
    const fields = Buffer.alloc(26)
    fields.writeUInt16LE(20, 0) // version
    fields.writeUInt16LE(8, 4) // deflate
    fields.writeUInt32LE(header.crc ?? crc32(data), 10)
    fields.writeUInt32LE(compressed.length, 14)
    fields.writeUInt32LE(header.size ?? data.length, 18)
    fields.writeUInt16LE(Buffer.byteLength(name), 22)
    files.push(Buffer.from('PK\x03\x04'), fields, Buffer.from(name), compressed)
    const attributes = Buffer.alloc(14)
    attributes.writeUInt32LE((mode << 16) >>> 0, 6)
    attributes.writeUInt32LE(offset, 10)
    const made = Buffer.from([20, 3]) // by Unix
    directory.push(Buffer.from('PK\x01\x02'), made, fields, attributes, Buffer.from(name))
    offset += 4 + fields.length + Buffer.byteLength(name) + compressed.length
  }
  const list = Buffer.concat(directory)
  const end = Buffer.alloc(18)
  end.writeUInt16LE(entries.length, 4)
  end.writeUInt16LE(entries.length, 6)
  end.writeUInt32LE(list.length, 8)
  end.writeUInt32LE(offset, 12)
  return Buffer.concat([...files, list, Buffer.from('PK\x05\x06'), end])
}

/** Returns bytes that deflate does not compress. */
function noise(length: number, seed: number): Buffer {
  let state = seed
  return Buffer.from(
    Array.from({ length }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return state >>> 24
    }),
  )
}

export interface FakeWheel {
  pin: PinnedWheel
  content: Buffer
}

/** Creates a wheel with its pin. */
export function wheel(project: string, version: string, entries: readonly ZipEntry[]): FakeWheel {
  const content = zip(entries)
  const pin: PinnedWheel = {
    project,
    version,
    license: 'BSD-3-Clause',
    installedBytes: entries
      .filter(({ name }) => isNeededFile(name))
      .reduce((sum, { content: text = '' }) => sum + text.length, 0),
    builds: [
      {
        file: `${project.replaceAll('-', '_')}-${version}-py3-none-any.whl`,
        bytes: content.length,
        sha256: createHash('sha256').update(content).digest('hex'),
      },
    ],
  }
  return { pin, content }
}

export const TORCH_CPU = noise(200_000, 1)

/** The files that setup installs from `fakeWheels()`. */
export const INSTALLED = [
  'nvidia/cu13/lib/libcudart.so.13',
  'nvidia_cuda_runtime-13.0.96.dist-info/licenses/License.txt',
  'torch-2.11.0.dist-info/METADATA',
  'torch/lib/libtorch_cpu.so',
  'torch/lib/libtorch_cuda.so',
  'torch/version.py',
]

/** Two small wheels with the layout of the real ones. */
export function fakeWheels(): FakeWheel[] {
  return [
    wheel('torch', '2.11.0', [
      { name: 'torch/', mode: 0o040755 },
      { name: 'torch/__init__.py', content: 'raise ImportError' },
      { name: 'torch/version.py', content: "__version__ = '2.11.0+cu130'\ncuda: str = '13.0'\n" },
      { name: 'torch/lib/libtorch_cpu.so', content: TORCH_CPU },
      { name: 'torch/lib/libtorch_cuda.so', content: noise(100_000, 2) },
      { name: 'torch/lib/libtorch_python.so', content: 'needs Python' },
      { name: 'torch-2.11.0.dist-info/METADATA', content: 'Name: torch\nVersion: 2.11.0\n' },
    ]),
    wheel('nvidia-cuda-runtime', '13.0.96', [
      { name: 'nvidia/cu13/lib/libcudart.so.13', content: noise(50_000, 3) },
      { name: 'nvidia/cu13/include/cuda.h', content: '#error' },
      {
        name: 'nvidia_cuda_runtime-13.0.96.dist-info/licenses/License.txt',
        content: 'License of NVIDIA',
      },
    ]),
  ]
}

/** Returns the pins of wheels. */
export function pinsOf(wheels: readonly FakeWheel[]): PinnedWheel[] {
  return wheels.map(({ pin }) => pin)
}

/** Returns sources with indexes only. */
export function indexes(...urls: string[]): WheelSources {
  return { folders: [], pages: [], indexes: urls, connection: {} }
}

interface IndexOptions {
  /** Serve HTML (PEP 503) instead of JSON (PEP 691). */
  html?: boolean
  /** Handles the requests of wheels. Default: serves the wheel. */
  file?: (wheel: FakeWheel, request: IncomingMessage, response: ServerResponse) => void
  /** Checksum that the index states; null for none. Default: the real one. */
  sha256?: string | null
  /** URL of the folder of the wheels. Default: on the same server. */
  files?: string
}

/** Serves a package index at `/simple/`, with the wheels at `/files/`. */
export function indexHandler(
  wheels: readonly FakeWheel[],
  options: IndexOptions = {},
): RequestHandler {
  const { html = false, file, sha256, files = '../../files/' } = options
  return (request, response) => {
    const path = decodeURIComponent(request.url ?? '')
    const listed = wheels.find(({ pin }) => path === `/simple/${pin.project}/`)
    const served = wheels.find(({ pin }) => path === join('/files', pin.builds[0]?.file ?? ''))
    if (served !== undefined) {
      if (file !== undefined) file(served, request, response)
      else fileHandler(served.content)(request, response)
    } else if (listed !== undefined) {
      const [build] = listed.pin.builds
      const hash = sha256 === undefined ? build?.sha256 : (sha256 ?? undefined)
      const url = `${files}${encodeURIComponent(build?.file ?? '')}`
      response.setHeader('content-type', html ? 'text/html' : 'application/vnd.pypi.simple.v1+json')
      response.end(
        html
          ? `<!DOCTYPE html><a href="/other.whl">other</a> <a data-x="1" href="${url}${hash ? `#sha256=${hash}` : ''}">x</a>`
          : JSON.stringify({
              meta: { 'api-version': '1.1' },
              files: [{ filename: build?.file, url, hashes: hash ? { sha256: hash } : {} }],
            }),
      )
    } else {
      response.writeHead(404).end()
    }
  }
}
