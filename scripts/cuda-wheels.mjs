// Writes src/cuda/wheel-pins.js: the wheels with libtorch for CUDA and the libraries that its
// metadata requires, with sizes and checksums of the package index. Run `npm run build` first, then
// `node scripts/cuda-wheels.mjs [--index-url URL]`. Only the ends of the wheels are downloaded.
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { fromRandomAccessReaderPromise, RandomAccessReader } from 'yauzl'
import { listProject } from '../dist/cuda/sources/package-index.js'
import { findPythons } from '../dist/cuda/sources/python-environment.js'
import { resolveWheelSources } from '../dist/cuda/sources/wheel-sources.js'
import { isNeededFile } from '../dist/cuda/unpack-wheel.js'
import { DEFAULT_RETRY_POLICY, HttpClient } from '../dist/download/http.js'
import { CUDA_BUILD } from '../dist/native/cuda-installation.js'
import { hostSystem } from '../dist/native/system.js'
import { cudaRequirements, parseMetadata } from './cuda-wheels/metadata.mjs'

/** Tag of the wheel of torch. libtorch does not depend on the version of Python. */
const PYTHON = 'cp311-cp311'

/** Processor in the names of wheels by platform. */
const PROCESSORS = { 'linux-x64-gnu': 'x86_64', 'linux-arm64-gnu': 'aarch64' }

/**
 * PyTorch's own index has another build of the torch wheel. Its checksum is PyTorch's; sizes of
 * files in that index are not published, and null skips the comparison.
 */
const PYTORCH_BUILDS = {
  'linux-x64-gnu': {
    sha256: '225b22e0a4e36ea573d3a68796e6816a160616f67e8b8c55683a88bf7777f4cd',
    bytes: 531_045_934,
  },
  'linux-arm64-gnu': {
    sha256: '6304535e9e4cd1beeab449e407712602aa473a97e7b310dc5650ef50940bd94f',
    bytes: null,
  },
}

const TARGET = fileURLToPath(new URL('../src/cuda/wheel-pins.js', import.meta.url))

/** Number of bytes at the end of a wheel that contain its list of files and its metadata. */
const TAIL = 8 << 20

/** The end of a file on an HTTP server. */
class FileTail extends RandomAccessReader {
  /** @param {Buffer} tail @param {number} start offset of the tail in the file */
  constructor(tail, start) {
    super()
    this.tail = tail
    this.start = start
  }

  /** @override @param {number} start @param {number} end */
  _readStreamForRange(start, end) {
    if (start < this.start) throw new Error('the metadata is not at the end of the wheel')
    return Readable.from([this.tail.subarray(start - this.start, end - this.start)])
  }
}

/** @param {HttpClient} http @param {string} url @param {number} start @param {number} end */
async function readRange(http, url, start, end) {
  const { status, body } = await http.get(url, { range: `bytes=${start}-${end - 1}` }, undefined)
  if (status !== 206) throw new Error(`${url}: the server answered ${status} to a range`)
  const chunks = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/**
 * Reads the metadata of a wheel and the size of the files that setup installs.
 *
 * @param {HttpClient} http
 * @param {import('../dist/cuda/sources/package-index.js').IndexedFile} file
 */
async function readWheel(http, { url, bytes }) {
  if (bytes === undefined) throw new Error(`${url}: the index does not state the size`)
  const start = Math.max(0, bytes - TAIL)
  const tail = new FileTail(await readRange(http, url, start, bytes), start)
  const zip = await fromRandomAccessReaderPromise(tail, bytes)
  let installedBytes = 0
  let metadata = ''
  for await (const entry of zip.eachEntry()) {
    if (isNeededFile(entry.fileName)) installedBytes += entry.uncompressedSize
    if (!/^[^/]+\.dist-info\/METADATA$/.test(entry.fileName)) continue
    for await (const chunk of await zip.openReadStreamPromise(entry)) metadata += chunk
  }
  return { installedBytes, metadata: parseMetadata(metadata) }
}

/**
 * @param {HttpClient} http
 * @param {string} index
 * @param {keyof typeof PROCESSORS} platform
 */
async function pinPlatform(http, index, platform) {
  const processor = PROCESSORS[platform]
  /** @type {(project: string) => Promise<Map<string, import('../dist/cuda/sources/package-index.js').IndexedFile>>} */
  const list = (project) => listProject(http, DEFAULT_RETRY_POLICY, index, project)
  /** @type {(project: string, version: string, tag: RegExp) => Promise<any>} */
  const pin = async (project, version, tag) => {
    const prefix = `${project.replaceAll('-', '_')}-${version}`
    const [name, file] =
      [...(await list(project))].find(
        ([name]) =>
          name.startsWith(prefix) && /^[-.]/.test(name.slice(prefix.length)) && tag.test(name),
      ) ?? []
    if (name === undefined || file?.sha256 === undefined) throw new Error(`${prefix} is not listed`)
    const { installedBytes, metadata } = await readWheel(http, file)
    const build = { file: name, bytes: file.bytes, sha256: file.sha256 }
    return {
      project,
      version: metadata.version,
      license: metadata.license,
      installedBytes,
      build,
      metadata,
    }
  }
  const any = /-none-any\.whl$/
  const torch = await pin(
    'torch',
    CUDA_BUILD.libtorch,
    new RegExp(`-${PYTHON}-manylinux.*_${processor}\\.whl$`),
  )
  const wheels = [torch]
  for (const { project, version, extras } of cudaRequirements(torch.metadata)) {
    if (project !== 'cuda-toolkit') {
      wheels.push(await pin(project, version, new RegExp(`_${processor}\\.whl$`)))
      continue
    }
    const toolkit = await pin(project, version, any)
    for (const library of cudaRequirements(toolkit.metadata, extras)) {
      wheels.push(await pin(library.project, library.version, new RegExp(`_${processor}\\.whl$`)))
    }
  }
  return wheels.map(({ project, version, license, installedBytes, build }) => {
    const local = {
      file: build.file.replace(/^(torch-[\d.]+)-/, `$1+cu${CUDA_BUILD.cuda.replace('.', '')}-`),
      ...PYTORCH_BUILDS[platform],
    }
    return {
      project,
      version,
      license,
      installedBytes,
      builds: project === 'torch' ? [build, local] : [build],
    }
  })
}

const { values } = parseArgs({ options: { 'index-url': { type: 'string' } } })
const pythons = await findPythons(hostSystem)
const sources = resolveWheelSources({ indexUrl: values['index-url'], pythons })
const [index] = sources.indexes
if (index === undefined) throw new Error('pip has no index: pass --index-url')
const http = await HttpClient.open(DEFAULT_RETRY_POLICY, sources.connection)
const pins = Object.fromEntries(
  await Promise.all(
    /** @type {(keyof typeof PROCESSORS)[]} */ (Object.keys(PROCESSORS)).map(async (platform) => [
      platform,
      await pinPlatform(http, index, platform),
    ]),
  ),
)
writeFileSync(
  TARGET,
  `// Written by scripts/cuda-wheels.mjs from the metadata of the wheels. Do not edit. A JavaScript module,
// because the set-up of a clone imports it before \`tsc\` runs.

/**
 * The wheels with libtorch for CUDA and its libraries, by platform.
 *
 * @type {Readonly<Record<string, readonly import('./pinned-wheel.js').PinnedWheel[]>>}
 */
export const CUDA_WHEELS = ${JSON.stringify(pins)}
`,
)
execFileSync('node_modules/.bin/biome', ['check', '--write', TARGET], { stdio: 'inherit' })
await http[Symbol.asyncDispose]()
