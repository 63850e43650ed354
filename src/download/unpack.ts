import { createReadStream } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createGunzip } from 'node:zlib'
import type { ReadEntry } from 'tar'
import { ResidualError } from '../errors/errors.js'
import { throwIfAborted, toWriteError } from './download-error.js'

/** Limits for an archive of known content. */
export interface ArchiveLimits {
  /** Total decompressed size in bytes. */
  bytes: number
  /** Number of entries of any type. */
  entries: number
  /** Ratio of decompressed to compressed size. */
  ratio: number
}

const MAX_ENTRIES = 1000
const MAX_RATIO = 100
/** Minimum size for checking the ratio, because a small archive may compress well. */
const RATIO_MIN_BYTES = 1 << 20
const MAX_DEPTH = 16
const MAX_NAME_LENGTH = 200
const CHUNK = 1 << 16

/** Returns the limits of an archive whose files have `bytes` bytes in total. */
export function limitsFor(bytes: number): ArchiveLimits {
  return { bytes: bytes + (16 << 20), entries: MAX_ENTRIES, ratio: MAX_RATIO }
}

/**
 * Extracts one folder of a gzipped tar archive. Creates only new, regular files inside `target`;
 * owners, modes and times are ignored. Rejects the whole archive if any of its entries has an
 * absolute path or a path with `..`, is a link, a device or a duplicate, or exceeds the limits.
 *
 * Only the parser of `tar` is used: its `extract` accepts links and duplicates, also in strict
 * mode, and has no size limits.
 *
 * @param folder folder in the archive that is extracted as `target`
 * @param target an empty folder, which may contain files after an error
 * @throws {ResidualError} `E_DATA_FORMAT` with the entry, `E_WRITE`
 */
export async function unpack(
  archive: string,
  folder: string,
  target: string,
  limits: ArchiveLimits,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await new Extraction(archive, folder, target, limits).run(signal)
  } catch (error) {
    throwIfAborted(signal)
    if (error instanceof ResidualError) throw error
    const writeError = toWriteError(error, target)
    if (writeError !== undefined) throw writeError
    throw archiveError(archive, `is damaged: ${(error as Error).message}`, error)
  }
}

class Extraction {
  readonly #archive: string
  readonly #folder: string
  readonly #target: string
  readonly #limits: ArchiveLimits
  /** Normalized paths of the files that have been extracted. */
  readonly #paths = new Set<string>()
  #entries = 0
  /** The entry that is being written. */
  #current: ReadEntry | undefined
  /** The first error, which ends the extraction. */
  #failure: unknown

  constructor(archive: string, folder: string, target: string, limits: ArchiveLimits) {
    this.#archive = archive
    this.#folder = folder
    this.#target = target
    this.#limits = limits
  }

  async run(signal: AbortSignal | undefined): Promise<void> {
    const { Parser } = await import('tar')
    const pendingWrites = new Set<Promise<void>>()
    const fail = (error: unknown) => {
      this.#failure ??= error
    }
    const parser = new Parser({
      strict: true,
      onReadEntry: (entry) => {
        const written = this.#extract(entry).catch(fail)
        pendingWrites.add(written)
        written.then(() => pendingWrites.delete(written))
      },
    })
    parser.on('ignoredEntry', (entry: ReadEntry) => {
      fail(this.#error(`contains ${entry.path} of an unknown type (${entry.type})`))
    })
    const ended = new Promise<void>((resolve, reject) => {
      parser.on('end', resolve)
      parser.on('error', reject)
    })
    ended.catch(() => {})
    try {
      for await (const chunk of this.#decompress(signal)) {
        if (!parser.write(chunk)) {
          await Promise.race([new Promise((resolve) => parser.once('drain', resolve)), ended])
        }
        if (this.#failure !== undefined) break
      }
      if (this.#failure === undefined) {
        parser.end()
        await ended
      }
    } catch (error) {
      fail(error)
    }
    // After a failure no more data arrives for the current entry, whose write would never end.
    if (this.#failure !== undefined) this.#current?.destroy(new Error('extraction failed'))
    await Promise.all(pendingWrites)
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Decompresses the archive within the limits. */
  async *#decompress(signal: AbortSignal | undefined): AsyncIterable<Buffer> {
    const { bytes: maxBytes, ratio } = this.#limits
    const file = createReadStream(this.#archive, { highWaterMark: CHUNK })
    const content = file.pipe(createGunzip({ chunkSize: CHUNK }))
    file.on('error', (error) => content.destroy(error))
    let bytes = 0
    try {
      for await (const chunk of content) {
        throwIfAborted(signal)
        bytes += chunk.length
        if (bytes > maxBytes) throw this.#error(`decompresses to more than ${maxBytes} bytes`)
        if (bytes > RATIO_MIN_BYTES && bytes > ratio * file.bytesRead) {
          throw this.#error(`decompresses to more than ${ratio} times its size`)
        }
        yield chunk
      }
    } finally {
      file.destroy()
    }
  }

  async #extract(entry: ReadEntry): Promise<void> {
    this.#entries++
    this.#current = entry
    entry.on('error', () => {}) // the loop below throws the error
    // The parser waits until the entry is consumed, so `resume` is called in all cases.
    try {
      const path = this.#targetPath(entry)
      if (path === undefined || this.#failure !== undefined) return
      await mkdir(dirname(path), { recursive: true })
      await using file = await open(path, 'wx', 0o644)
      if (this.#failure !== undefined) return
      let bytes = 0
      for await (const chunk of entry) {
        bytes += chunk.length
        await file.writeFile(chunk)
      }
      if (bytes !== entry.size) throw this.#error(`is truncated within ${entry.path}`)
      await file.sync()
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      const exists = code === 'EEXIST' || code === 'ENOTDIR' || code === 'EISDIR'
      throw exists
        ? this.#error(`contains a file and a folder with the same name (${entry.path})`)
        : error
    } finally {
      if (this.#current === entry) this.#current = undefined
      entry.resume()
    }
  }

  /**
   * Validates an entry and returns the path to extract it to.
   *
   * @returns undefined for folders, and for files outside the extracted folder
   */
  #targetPath(entry: ReadEntry): string | undefined {
    const { type, path, size } = entry
    const { bytes, entries } = this.#limits
    if (this.#entries > entries) throw this.#error(`contains more than ${entries} entries`)
    if (size > bytes) throw this.#error(`contains ${path}, which is too large (${size} bytes)`)
    const name = JSON.stringify(path)
    const parts = path.split('/').filter((part) => part !== '' && part !== '.')
    const isOutside =
      path.startsWith('/') || /^[a-z]:/i.test(path) || path.includes('\\') || parts.includes('..')
    if (isOutside) throw this.#error(`contains ${name}, a path outside the target folder`)
    if (
      /\p{Control}/u.test(path) ||
      parts.length > MAX_DEPTH ||
      parts.some((part) => part.length > MAX_NAME_LENGTH)
    ) {
      throw this.#error(`contains ${name}, which is not a valid file name`)
    }
    if (type === 'Directory') return undefined
    if (type !== 'File' && type !== 'OldFile' && type !== 'ContiguousFile') {
      throw this.#error(`contains ${name}, which is not a regular file (${type})`)
    }
    // Case-insensitive and Unicode-normalizing file systems treat these names as one file.
    const key = parts.join('/').normalize('NFC').toLowerCase()
    if (this.#paths.has(key)) throw this.#error(`contains ${name} twice`)
    this.#paths.add(key)
    const [top, ...rest] = parts
    return top === this.#folder && rest.length > 0 ? join(this.#target, ...rest) : undefined
  }

  #error(problem: string): ResidualError {
    return archiveError(this.#archive, problem)
  }
}

function archiveError(archive: string, problem: string, cause?: unknown): ResidualError {
  return new ResidualError(
    {
      code: 'E_DATA_FORMAT',
      message: `${archive} ${problem}`,
      at: { file: archive },
      hint: 'All extracted files were removed. Use the archive that the authors publish.',
    },
    cause === undefined ? undefined : { cause },
  )
}
