import { access, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AbortError, ResidualError } from '../errors/errors.js'
import { contentOf } from './checksum.js'
import {
  AddressError,
  diskFailure,
  notDownloaded,
  throwIfAborted,
  type Wanted,
} from './download-error.js'
import { type Answer, Http, PATIENCE, type Patience } from './http.js'
import { withLock } from './lock.js'
import { isOffline, notFetched } from './offline.js'

/** How far a download is. */
export interface DownloadProgress {
  /** What it belongs to: a data set's name, or `weights`. */
  name: string
  /** The file that is on its way. */
  file: string
  /** Where it comes from. */
  url: string
  /** Bytes that are there. */
  bytes: number
  /** Bytes in all; undefined where the server does not say. */
  total: number | undefined
}

/** What goes with a download. */
export interface DownloadOptions {
  /** Ends it, and the work that it is for; what has arrived is kept. */
  signal?: AbortSignal | undefined
  /** Called as bytes arrive. */
  onDownload?: ((progress: DownloadProgress) => void) | undefined
}

/** A published file. */
export interface RemoteFile extends Wanted {
  /** What it belongs to. */
  name: string
  /** Where it is published, in the order in which to try. */
  urls: readonly string[]
  /** Its length; undefined where the publisher does not say it. */
  bytes: number | undefined
  /** No more than this is taken; only for files whose length is not known. */
  most?: number | undefined
  /** In hexadecimal: all of it, or as much of its beginning as is published. */
  sha256: string
}

/** What is known of a download that has begun. */
interface Begun {
  url: string
  etag: string | undefined
}

/**
 * Fetches a file, goes on where an earlier try stopped, and checks it. It bears its name only when
 * all of it is there and its checksum is right; until then the bytes lie in `<target>.part`. A file
 * that is there already is checked and used.
 *
 * @throws {ResidualError} `E_DOWNLOAD` with what each address said, `E_WRITE`, `AbortError`
 */
export async function fetchFile(
  file: RemoteFile,
  { signal, onDownload }: DownloadOptions = {},
  patience: Patience = PATIENCE,
): Promise<void> {
  const { target } = file
  try {
    throwIfAborted(signal)
    await mkdir(dirname(target), { recursive: true })
    await withLock(
      `${target}.lock`,
      async () => {
        const before = await checkPresent(file, signal)
        if (before === true) return
        if (isOffline()) throw notFetched(file, file.urls[0])
        await using http = await Http.open(patience)
        await new Fetch(file, { signal, onDownload }, patience, http).run(before)
      },
      { signal },
    )
  } catch (error) {
    if (signal?.aborted && !(error instanceof AbortError)) throwIfAborted(signal)
    throw error instanceof ResidualError ? error : (diskFailure(error, target) ?? error)
  }
}

/**
 * Looks whether the file is there, put by hand perhaps.
 *
 * @returns true if it is; what was wrong with it if it had to be removed
 */
async function checkPresent(
  { target, sha256 }: RemoteFile,
  signal: AbortSignal | undefined,
): Promise<true | string | undefined> {
  try {
    await access(target)
  } catch {
    return undefined
  }
  const found = await contentOf(target, { signal })
  if (found.sha256.startsWith(sha256)) return true
  await rm(target)
  return `the file that lay there had SHA-256 ${found.sha256}, not ${sha256}, and was removed`
}

class Fetch {
  readonly #file: RemoteFile
  readonly #options: DownloadOptions
  readonly #patience: Patience
  readonly #http: Http
  readonly #part: string
  readonly #note: string

  constructor(file: RemoteFile, options: DownloadOptions, patience: Patience, http: Http) {
    this.#file = file
    this.#options = options
    this.#patience = patience
    this.#http = http
    this.#part = `${file.target}.part`
    this.#note = `${this.#part}.json`
  }

  /** @param before what was wrong with a file that lay there */
  async run(before: string | undefined): Promise<void> {
    const tried: { url: string; error: Error }[] = []
    for (const url of this.#file.urls) {
      try {
        await this.#from(url)
        return
      } catch (error) {
        if (!(error instanceof AddressError)) throw error
        tried.push({ url, error })
      }
    }
    throw notDownloaded(this.#file, tried, before)
  }

  async #from(url: string): Promise<void> {
    const { tries, backoff } = this.#patience
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#attempt(url)
        return
      } catch (error) {
        throwIfAborted(this.#options.signal)
        if (!(error instanceof AddressError) || !error.again || attempt >= tries) throw error
        const wait = Math.max(backoff * 2 ** (attempt - 1), error.after ?? 0)
        await sleep(wait, undefined, { signal: this.#options.signal })
      }
    }
  }

  async #attempt(url: string): Promise<void> {
    const { target } = this.#file
    const resumed = await this.#transfer(url)
    const found = await contentOf(this.#part, { signal: this.#options.signal })
    if (found.sha256.startsWith(this.#file.sha256)) {
      await rename(this.#part, target)
      await rm(this.#note, { force: true })
      return
    }
    await this.#discard()
    throw new AddressError(
      `what came has SHA-256 ${found.sha256}, not ${this.#file.sha256}; it was removed`,
      // Two halves of different files are mended by fetching it whole.
      { again: resumed },
    )
  }

  /** @returns whether it went on from what an earlier try had left */
  async #transfer(url: string): Promise<boolean> {
    const begun = await this.#begun()
    if (begun.from > 0 && begun.from === this.#file.bytes) return true
    const headers: Record<string, string> = {}
    if (begun.from > 0) {
      headers.range = `bytes=${begun.from}-`
      if (begun.url === url && begun.etag !== undefined) headers['if-range'] = begun.etag
    }
    const answer = await this.#http.get(url, headers, this.#options.signal)
    await this.#refuseFailure(answer, begun.from)
    const extent = this.#extent(answer, begun, url)
    if (extent === undefined) {
      await drop(answer.body)
      await this.#discard()
      throw new AddressError('it does not go on where it stopped before', { again: true })
    }
    const { from, total } = extent
    const etag = strong(answer.header('etag'))
    await writeFile(this.#note, JSON.stringify({ url, etag } satisfies Begun))
    await this.#write(answer, url, from, total)
    return from > 0
  }

  /** What an earlier try has left, and where it came from. */
  async #begun(): Promise<Partial<Begun> & { from: number }> {
    try {
      const { size } = await stat(this.#part)
      const note: Begun = JSON.parse(await readFile(this.#note, 'utf8'))
      if (size <= (this.#file.bytes ?? Number.POSITIVE_INFINITY)) return { ...note, from: size }
    } catch {
      // Nothing usable.
    }
    return { from: 0 }
  }

  async #refuseFailure({ status, header, body }: Answer, from: number): Promise<void> {
    if (status === 200 || (status === 206 && from > 0)) {
      const type = header('content-type') ?? ''
      if (!/^\s*text\/html/i.test(type)) return
      await drop(body)
      throw new AddressError('it sends a web page in place of the file; a login may be in the way')
    }
    await drop(body)
    if (status === 416) await this.#discard()
    const seconds = Number(header('retry-after'))
    throw new AddressError(`the server answered ${status}`, {
      again: status >= 500 || [408, 416, 425, 429].includes(status),
      after: seconds > 0 ? Math.min(seconds, 60) * 1000 : undefined,
    })
  }

  /**
   * Where the answer goes on, and how long the file is.
   *
   * @returns undefined if it is not what was asked for, or of another file than before
   */
  #extent(
    { status, header }: Answer,
    begun: Partial<Begun> & { from: number },
    url: string,
  ): { from: number; total: number | undefined } | undefined {
    const { bytes } = this.#file
    const length = header('content-length')
    let [from, total] = [0, length === undefined ? undefined : Number(length)]
    if (status === 206) {
      const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(header('content-range') ?? '')
      const etag = strong(header('etag'))
      const changed = begun.url === url && begun.etag !== undefined && etag !== begun.etag
      if (range === null || Number(range[1]) !== begun.from || changed) return undefined
      from = begun.from
      total = range[2] === '*' ? undefined : Number(range[2])
    }
    if (bytes !== undefined && total !== undefined && total !== bytes) {
      throw new AddressError(`its file has ${total} bytes, the published one ${bytes}`)
    }
    if (total !== undefined && total > this.#most) {
      throw new AddressError(`its file has ${total} bytes, more than any such file`)
    }
    return { from, total: bytes ?? total }
  }

  get #most(): number {
    return this.#file.most ?? Number.POSITIVE_INFINITY
  }

  async #write(
    { body }: Answer,
    url: string,
    from: number,
    total: number | undefined,
  ): Promise<void> {
    const { name, file } = this.#file
    const most = Math.min(total ?? Number.POSITIVE_INFINITY, this.#most)
    let bytes = from
    {
      await using part = await open(this.#part, from > 0 ? 'a' : 'w')
      for await (const piece of body) {
        bytes += piece.length
        if (bytes > most) {
          await this.#discard()
          throw new AddressError(`it sends more than the ${most} bytes that the file has`)
        }
        await part.writeFile(piece)
        this.#options.onDownload?.({ name, file, url, bytes, total })
      }
      await part.sync()
    }
    if (total !== undefined && bytes < total) {
      throw new AddressError(`it broke off after ${bytes} of ${total} bytes`, { again: true })
    }
  }

  async #discard(): Promise<void> {
    await rm(this.#part, { force: true })
    await rm(this.#note, { force: true })
  }
}

/** An entity tag that stands for the same bytes; a weak one does not. */
function strong(etag: string | undefined): string | undefined {
  return etag?.startsWith('"') ? etag : undefined
}

async function drop(body: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const _ of body) break
  } catch {
    // It is not wanted anyway.
  }
}
