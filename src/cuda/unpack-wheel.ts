import { createHash } from 'node:crypto'
import { mkdir, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import zlib from 'node:zlib'
import type { Entry, ZipFile } from 'yauzl'
import { throwIfAborted, toWriteError } from '../download/download-error.js'
import { ResidualError } from '../errors/errors.js'
import type { InstalledFile } from '../native/cuda-installation.js'

/** Limits for the content of a wheel. The largest wheel, that of torch, has 12,000 entries. */
const MAX_ENTRIES = 50_000
/** libtorch_cuda, the largest file, has 1.0 GB. */
const MAX_FILE_BYTES = 4e9

/** Size of a block that is written, in bytes. */
const BLOCK = 1 << 20

/** Bits of the mode of a file (`st_mode`) that contain its type, and those types. */
const [TYPE_MASK, REGULAR_FILE, DIRECTORY] = [0o170000, 0o100000, 0o040000]

/** The files of a wheel that are needed to run libtorch, and their licenses. */
const NEEDED_FILES = [
  // libtorch_python needs a Python interpreter.
  /^torch\/lib\/(?!libtorch_python)[^/]+\.so(\.\d+)*$/,
  /^torch\/version\.py$/,
  /^nvidia\/[^/]+\/lib\/[^/]+\.so(\.\d+)*$/,
  /^[^/]+\.dist-info\/(METADATA|licen[cs]es\/.+|[^/]*(LICEN[CS]E|NOTICE)[^/]*)$/i,
]

/** Returns whether setup installs a file of a wheel. */
export function isNeededFile(name: string): boolean {
  return NEEDED_FILES.some((pattern) => pattern.test(name))
}

interface UnpackOptions {
  /** Maximum number of bytes to write. */
  maxBytes: number
  signal?: AbortSignal | undefined
  /** Called with the size of each chunk that was written. */
  onBytes?: ((bytes: number) => void) | undefined
}

/**
 * Unpacks the libraries and licenses of a wheel below `folder`. Creates only new, regular files.
 * Rejects the whole wheel if any of its entries has an absolute path or a path with `..`, is a link
 * or a device, or is a duplicate, and if the unpacked files exceed `maxBytes`. The content of a
 * file is streamed.
 *
 * @throws {ResidualError} `E_DOWNLOAD` with the entry, `E_WRITE`, `AbortError`
 */
export async function unpackWheel(
  wheel: string,
  folder: string,
  options: UnpackOptions,
): Promise<InstalledFile[]> {
  const { openPromise } = await import('yauzl')
  let zip: ZipFile | undefined
  try {
    zip = await openPromise(wheel, { autoClose: false, strictFileNames: true })
    return await new Unpacking(wheel, folder, options).run(zip)
  } catch (error) {
    throwIfAborted(options.signal)
    if (error instanceof ResidualError) throw error
    throw toWriteError(error, folder) ?? wheelError(wheel, (error as Error).message, error)
  } finally {
    zip?.close()
  }
}

class Unpacking {
  readonly #wheel: string
  readonly #folder: string
  readonly #options: UnpackOptions
  readonly #names = new Set<string>()
  #bytes = 0

  constructor(wheel: string, folder: string, options: UnpackOptions) {
    this.#wheel = wheel
    this.#folder = folder
    this.#options = options
  }

  async run(zip: ZipFile): Promise<InstalledFile[]> {
    if (zip.entryCount > MAX_ENTRIES) {
      throw wheelError(this.#wheel, `contains more than ${MAX_ENTRIES} entries`)
    }
    // The list of entries is checked before the first file is written.
    const entries: Entry[] = []
    for await (const entry of zip.eachEntry()) {
      throwIfAborted(this.#options.signal)
      if (this.#check(entry)) entries.push(entry)
    }
    const files: InstalledFile[] = []
    for (const entry of entries) files.push(await this.#write(zip, entry))
    return files
  }

  /** Checks an entry and returns whether it is needed. (yauzl rejects names outside the folder.) */
  #check(entry: Entry): boolean {
    const { fileName, uncompressedSize, externalFileAttributes } = entry
    const name = JSON.stringify(fileName)
    const type = (externalFileAttributes >>> 16) & TYPE_MASK
    if (type !== 0 && type !== REGULAR_FILE && type !== DIRECTORY) {
      throw wheelError(this.#wheel, `contains ${name}, which is not a regular file`)
    }
    const key = fileName.normalize('NFC').toLowerCase()
    if (this.#names.has(key)) throw wheelError(this.#wheel, `contains ${name} twice`)
    this.#names.add(key)
    if (fileName.endsWith('/') || !isNeededFile(fileName)) return false
    if (uncompressedSize > MAX_FILE_BYTES) {
      throw wheelError(this.#wheel, `contains ${name} with ${uncompressedSize} bytes`)
    }
    this.#bytes += uncompressedSize
    const { maxBytes } = this.#options
    if (this.#bytes > maxBytes) {
      throw wheelError(this.#wheel, `contains more than ${maxBytes} bytes of libraries`)
    }
    return true
  }

  async #write(zip: ZipFile, entry: Entry): Promise<InstalledFile> {
    const { fileName: path } = entry
    const { signal, onBytes } = this.#options
    const target = join(this.#folder, path)
    await mkdir(dirname(target), { recursive: true })
    const hash = createHash('sha256')
    let [bytes, checksum] = [0, 0]
    await using file = await open(target, 'wx', 0o644)
    const write = async (chunks: readonly Buffer[]) => {
      throwIfAborted(signal)
      const block = Buffer.concat(chunks)
      bytes += block.length
      checksum = zlib.crc32(block, checksum)
      hash.update(block)
      await file.writeFile(block)
      onBytes?.(block.length)
    }
    // Chunks of 16 kB are collected into blocks, to make fewer system calls. (yauzl fails if an
    // entry has another size than its header says.)
    let pending: Buffer[] = []
    let pendingBytes = 0
    for await (const chunk of await zip.openReadStreamPromise(entry)) {
      pending.push(chunk)
      pendingBytes += chunk.length
      if (pendingBytes < BLOCK) continue
      await write(pending)
      ;[pending, pendingBytes] = [[], 0]
    }
    await write(pending)
    if (checksum !== entry.crc32) {
      throw wheelError(this.#wheel, `is damaged: the checksum of ${path} differs`)
    }
    await file.sync()
    return { path, bytes, sha256: hash.digest('hex') }
  }
}

function wheelError(wheel: string, problem: string, cause?: unknown): ResidualError {
  return new ResidualError(
    {
      code: 'E_DOWNLOAD',
      message: `${wheel} cannot be unpacked: ${problem}`,
      at: { file: wheel },
      hint: 'Delete this file, and run `residual setup --cuda` again.',
    },
    cause === undefined ? undefined : { cause },
  )
}
