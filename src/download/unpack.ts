import { createReadStream } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createGunzip } from 'node:zlib'
import type { ReadEntry } from 'tar'
import { ResidualError } from '../errors/errors.js'
import { diskFailure, throwIfAborted } from './download-error.js'

/** What an archive may hold; it is known of the published ones. */
export interface Limits {
  /** Bytes unpacked, in all. */
  bytes: number
  /** Members of any kind. */
  members: number
  /** Bytes unpacked for each packed one. */
  ratio: number
}

const MEMBERS = 1000
const RATIO = 100
/** A small archive may pack well, and still no harm is done. */
const RATIO_COUNTS_FROM = 1 << 20
const DEEPEST = 16

/** Limits for an archive whose files have so many bytes. */
export function limitsFor(bytes: number): Limits {
  return { bytes: bytes + (16 << 20), members: MEMBERS, ratio: RATIO }
}

/**
 * Unpacks the files of a gzipped tar archive that lie below one of its folders. Only plain files
 * are made, new ones, inside `target`; owners, modes and times are ignored. An archive with
 * anything else in it is refused as a whole, wherever in it that is: a path that is absolute or
 * goes up, a link, a device, a file twice, or more than the limits allow.
 *
 * @param folder the folder in the archive that becomes `target`
 * @param target a folder that is empty; half of it may be there when this throws
 * @throws {ResidualError} `E_DATA_FORMAT` with the member, `E_WRITE`
 */
export async function unpack(
  archive: string,
  folder: string,
  target: string,
  limits: Limits,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await new Unpacking(archive, folder, target, limits).run(signal)
  } catch (error) {
    throwIfAborted(signal)
    if (error instanceof ResidualError) throw error
    const disk = diskFailure(error, target)
    if (disk !== undefined) throw disk
    throw refuse(archive, `is damaged: ${(error as Error).message}`, error)
  }
}

class Unpacking {
  readonly #archive: string
  readonly #folder: string
  readonly #target: string
  readonly #limits: Limits
  readonly #made = new Set<string>()
  #members = 0
  /** The member that is being written. */
  #entry: ReadEntry | undefined
  #failure: unknown

  constructor(archive: string, folder: string, target: string, limits: Limits) {
    this.#archive = archive
    this.#folder = folder
    this.#target = target
    this.#limits = limits
  }

  async run(signal: AbortSignal | undefined): Promise<void> {
    const { Parser } = await import('tar')
    const writing = new Set<Promise<void>>()
    const fail = (error: unknown) => {
      this.#failure ??= error
    }
    const parser = new Parser({
      strict: true,
      // What is not an ordinary member is not passed over but refused.
      onReadEntry: (entry) => {
        const written = this.#take(entry).catch(fail)
        writing.add(written)
        written.then(() => writing.delete(written))
      },
    })
    parser.on('ignoredEntry', (entry: ReadEntry) => {
      fail(refuse(this.#archive, `holds ${entry.path}, of an unknown kind (${entry.type})`))
    })
    const ended = new Promise<void>((resolve, reject) => {
      parser.on('end', resolve)
      parser.on('error', reject)
    })
    ended.catch(() => {})
    try {
      for await (const piece of this.#unpacked(signal)) {
        if (!parser.write(piece)) {
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
    // What is being written, when the rest is not read, ends here.
    if (this.#failure !== undefined) this.#entry?.destroy(new Error('not read to its end'))
    await Promise.all(writing)
    if (this.#failure !== undefined) throw this.#failure
  }

  /** The tar archive in the gzip file, within the limits. */
  async *#unpacked(signal: AbortSignal | undefined): AsyncIterable<Buffer> {
    const { bytes: most, ratio } = this.#limits
    const file = createReadStream(this.#archive, { highWaterMark: 1 << 16 })
    const content = file.pipe(createGunzip({ chunkSize: 1 << 16 }))
    file.on('error', (error) => content.destroy(error))
    let bytes = 0
    try {
      for await (const piece of content) {
        throwIfAborted(signal)
        bytes += piece.length
        if (bytes > most) throw this.#refuse(`unpacks to more than the ${most} bytes it should`)
        if (bytes > RATIO_COUNTS_FROM && bytes > ratio * file.bytesRead) {
          throw this.#refuse(`unpacks to more than ${ratio} times its size: a bomb`)
        }
        yield piece
      }
    } finally {
      file.destroy()
    }
  }

  async #take(entry: ReadEntry): Promise<void> {
    this.#members++
    this.#entry = entry
    entry.on('error', () => {}) // it is told to whoever reads it
    // The parser waits until an entry has been read, so every way out has to read it.
    try {
      const path = this.#check(entry)
      if (path === undefined || this.#failure !== undefined) return
      await mkdir(dirname(path), { recursive: true })
      await using file = await open(path, 'wx', 0o644)
      if (this.#failure !== undefined) return
      let bytes = 0
      for await (const piece of entry) {
        bytes += piece.length
        await file.writeFile(piece)
      }
      if (bytes !== entry.size) throw this.#refuse(`breaks off within ${entry.path}`)
      await file.sync()
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      const taken = code === 'EEXIST' || code === 'ENOTDIR' || code === 'EISDIR'
      throw taken ? this.#refuse(`holds a file and a folder of one name (${entry.path})`) : error
    } finally {
      if (this.#entry === entry) this.#entry = undefined
      entry.resume()
    }
  }

  /** @returns where the member goes; undefined for one that is not wanted */
  #check(entry: ReadEntry): string | undefined {
    const { type, path, size } = entry
    const { bytes, members } = this.#limits
    if (this.#members > members) throw this.#refuse(`holds more than ${members} members`)
    if (size > bytes) throw this.#refuse(`holds ${path}, which is too large (${size} bytes)`)
    const named = JSON.stringify(path)
    const parts = path.split('/').filter((part) => part !== '' && part !== '.')
    const outside =
      path.startsWith('/') || /^[a-z]:/i.test(path) || path.includes('\\') || parts.includes('..')
    if (outside) throw this.#refuse(`holds ${named}, a path that leads out of the folder`)
    if (
      /\p{Control}/u.test(path) ||
      parts.length > DEEPEST ||
      parts.some((part) => part.length > 200)
    ) {
      throw this.#refuse(`holds ${named}, which is no usable name`)
    }
    if (type === 'Directory') return undefined
    if (type !== 'File' && type !== 'OldFile' && type !== 'ContiguousFile') {
      throw this.#refuse(`holds ${named}, which is no plain file (${type})`)
    }
    // As a disk that does not tell upper from lower case, or é from e and an accent, sees it.
    const key = parts.join('/').normalize('NFC').toLowerCase()
    if (this.#made.has(key)) throw this.#refuse(`holds ${named} twice`)
    this.#made.add(key)
    const [top, ...rest] = parts
    return top === this.#folder && rest.length > 0 ? join(this.#target, ...rest) : undefined
  }

  #refuse(what: string): ResidualError {
    return refuse(this.#archive, what)
  }
}

function refuse(archive: string, what: string, cause?: unknown): ResidualError {
  return new ResidualError(
    {
      code: 'E_DATA_FORMAT',
      message: `${archive} ${what}`,
      at: { file: archive },
      hint: 'Nothing of it was kept. Take the archive that its authors publish.',
    },
    cause === undefined ? undefined : { cause },
  )
}
