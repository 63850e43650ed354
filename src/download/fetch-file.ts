import { access, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ResidualError } from '../errors/errors.js'
import { hashFile } from './checksum.js'
import {
  type DownloadTarget,
  downloadError,
  rethrowIfAborted,
  throwIfAborted,
  toWriteError,
  UrlError,
} from './download-error.js'
import { withLock } from './file-lock.js'
import {
  type ConnectionOptions,
  DEFAULT_RETRY_POLICY,
  type DownloadRetry,
  drain,
  HttpClient,
  type HttpResponse,
  isTransient,
  type RetryPolicy,
  retryAfter,
  withRetries,
} from './http.js'
import { isOffline, offlineError } from './offline.js'
import { redactUrl } from './redact-url.js'

/** Progress of a download. */
export interface DownloadProgress {
  /** Name of the data set that the file belongs to, or `weights`. */
  name: string
  /** Name of the file. */
  file: string
  /** URL of the file. */
  url: string
  /** Bytes received so far. */
  bytes: number
  /** Size of the file in bytes; undefined if the server does not send it. */
  total: number | undefined
  /** The failed attempt that is repeated after a delay, if this event reports one. */
  retry?: DownloadRetry
}

/** Options of a download. */
export interface DownloadOptions {
  /** Aborts the download and the operation that needs it; received bytes are kept for resuming. */
  signal?: AbortSignal | undefined
  /** Called when data arrives, and before a failed attempt is repeated. */
  onDownload?: ((progress: DownloadProgress) => void) | undefined
}

/** A published file. */
export interface RemoteFile extends DownloadTarget {
  /** Name of the data set that the file belongs to, or `weights`. */
  name: string
  /** URLs of the file, in the order to try. */
  urls: readonly string[]
  /** Size in bytes; undefined if it is not published. */
  bytes: number | undefined
  /** Upper limit of the size, for files whose size is not published. */
  maxBytes?: number | undefined
  /** SHA-256 in hexadecimal, or as many of its first digits as are published. */
  sha256: string
  connection?: ConnectionOptions | undefined
}

/** Origin of a partial download. */
interface PartOrigin {
  /** URL without user and password. */
  url: string
  etag: string | undefined
}

/** A partial download on disk. */
interface Part extends Partial<PartOrigin> {
  /** Bytes on disk; 0 if there is nothing to resume. */
  offset: number
}

/**
 * Downloads a file and verifies its checksum. A download resumes where an earlier attempt stopped.
 * The bytes are written to `<target>.part`, which is renamed when it is complete and verified. An
 * existing file is verified and kept.
 *
 * @throws {ResidualError} `E_DOWNLOAD` with the error of each URL, `E_WRITE`, `AbortError`
 */
export async function fetchFile(
  file: RemoteFile,
  { signal, onDownload }: DownloadOptions = {},
  policy: RetryPolicy = DEFAULT_RETRY_POLICY,
): Promise<void> {
  const { target } = file
  try {
    throwIfAborted(signal)
    await mkdir(dirname(target), { recursive: true })
    await withLock(
      `${target}.lock`,
      async () => {
        const existing = await verifyExisting(file, signal)
        if (existing === 'verified') return
        if (isOffline()) throw offlineError(file, file.urls[0] && redactUrl(file.urls[0]))
        await using http = await HttpClient.open(policy, file.connection)
        await new FileDownload(file, { signal, onDownload }, policy, http).run(existing?.removed)
      },
      { checkAborted: () => throwIfAborted(signal) },
    )
  } catch (error) {
    rethrowIfAborted(error, signal)
    throw error instanceof ResidualError ? error : (toWriteError(error, target) ?? error)
  }
}

/**
 * Verifies the target file, which may have been copied by hand.
 *
 * @returns undefined if there is no file; the reason in `removed` if its checksum was wrong
 */
async function verifyExisting(
  { target, sha256 }: RemoteFile,
  signal: AbortSignal | undefined,
): Promise<'verified' | { removed: string } | undefined> {
  try {
    await access(target)
  } catch {
    return undefined
  }
  const found = await hashFile(target, { signal })
  if (found.sha256.startsWith(sha256)) return 'verified'
  await rm(target)
  return {
    removed: `the existing file had SHA-256 ${found.sha256} instead of ${sha256} and was removed`,
  }
}

/** A download of one file, from the first URL that provides it. */
class FileDownload {
  readonly #file: RemoteFile
  readonly #options: DownloadOptions
  readonly #policy: RetryPolicy
  readonly #http: HttpClient
  /** Path of the partial download. */
  readonly #part: string
  /** Path of the `PartOrigin` of the partial download. */
  readonly #origin: string
  /** Time of `performance.now()` at which data was last received. */
  #lastDataAt = 0
  /** Bytes of the file that have been received. */
  #received = 0

  constructor(file: RemoteFile, options: DownloadOptions, policy: RetryPolicy, http: HttpClient) {
    this.#file = file
    this.#options = options
    this.#policy = policy
    this.#http = http
    this.#part = `${file.target}.part`
    this.#origin = `${this.#part}.json`
  }

  /**
   * Tries all URLs in order.
   *
   * @param removed why an existing file was removed, for the error message
   */
  async run(removed: string | undefined): Promise<void> {
    const attempts: { url: string; error: Error }[] = []
    for (const url of this.#file.urls) {
      try {
        await this.#tryUrl(url)
        return
      } catch (error) {
        if (!(error instanceof UrlError)) throw error
        attempts.push({ url: redactUrl(url), error })
      }
    }
    throw downloadError(this.#file, attempts, removed)
  }

  async #tryUrl(url: string): Promise<void> {
    const { name, file, bytes: total } = this.#file
    const { signal, onDownload } = this.#options
    const options = {
      signal,
      lastDataAt: () => this.#lastDataAt,
      onRetry: (retry: DownloadRetry) =>
        onDownload?.({ name, file, url: retry.url, bytes: this.#received, total, retry }),
    }
    await withRetries(url, this.#policy, options, () => this.#attempt(url))
  }

  async #attempt(url: string): Promise<void> {
    const { target } = this.#file
    const isResumed = await this.#transfer(url)
    const found = await hashFile(this.#part, { signal: this.#options.signal })
    if (found.sha256.startsWith(this.#file.sha256)) {
      await rename(this.#part, target)
      await rm(this.#origin, { force: true })
      return
    }
    await this.#discard()
    throw new UrlError(
      `the received file has SHA-256 ${found.sha256} instead of ${this.#file.sha256} and was removed`,
      // The file may have changed between the parts; a complete download then succeeds.
      { canRetry: isResumed },
    )
  }

  /** Receives the missing bytes of the file. Returns whether an earlier transfer was resumed. */
  async #transfer(requestUrl: string): Promise<boolean> {
    const url = redactUrl(requestUrl)
    const part = await this.#readPart()
    this.#received = part.offset
    if (part.offset > 0 && part.offset === this.#file.bytes) return true
    const headers: Record<string, string> = {}
    if (part.offset > 0) {
      headers.range = `bytes=${part.offset}-`
      if (part.url === url && part.etag !== undefined) headers['if-range'] = part.etag
    }
    const response = await this.#http.get(requestUrl, headers, this.#options.signal)
    await this.#checkStatus(response, part.offset)
    const range = this.#parseRange(response, part, url)
    if (range === undefined) {
      await drain(response.body)
      await this.#discard()
      throw new UrlError('the server does not resume at the requested offset', { canRetry: true })
    }
    const etag = strongEtag(response.header('etag'))
    await writeFile(this.#origin, JSON.stringify({ url, etag } satisfies PartOrigin))
    await this.#receive(response, url, range)
    return range.offset > 0
  }

  async #readPart(): Promise<Part> {
    try {
      const { size } = await stat(this.#part)
      const origin: PartOrigin = JSON.parse(await readFile(this.#origin, 'utf8'))
      if (size <= (this.#file.bytes ?? Number.POSITIVE_INFINITY)) return { ...origin, offset: size }
    } catch {
      // One of the two files is missing.
    }
    return { offset: 0 }
  }

  async #checkStatus({ status, header, body }: HttpResponse, offset: number): Promise<void> {
    if (status === 200 || (status === 206 && offset > 0)) {
      const type = header('content-type') ?? ''
      if (!/^\s*text\/html/i.test(type)) return
      await drain(body)
      throw new UrlError('the server sent a web page instead of the file; it may require a login')
    }
    await drain(body)
    if (status === 416) await this.#discard()
    throw new UrlError(`the server answered ${status}`, {
      canRetry: isTransient(status) || status === 416,
      retryAfter: retryAfter(header),
    })
  }

  /**
   * Determines the offset of the body and the size of the file.
   *
   * @returns undefined if the response does not continue the partial download
   */
  #parseRange(
    { status, header }: HttpResponse,
    part: Part,
    url: string,
  ): { offset: number; total: number | undefined } | undefined {
    const { bytes } = this.#file
    const length = header('content-length')
    let [offset, total] = [0, length === undefined ? undefined : Number(length)]
    if (status === 206) {
      const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(header('content-range') ?? '')
      const etag = strongEtag(header('etag'))
      const hasChanged = part.url === url && part.etag !== undefined && etag !== part.etag
      if (range === null || Number(range[1]) !== part.offset || hasChanged) return undefined
      offset = part.offset
      total = range[2] === '*' ? undefined : Number(range[2])
    }
    if (bytes !== undefined && total !== undefined && total !== bytes) {
      throw new UrlError(`the file has ${total} bytes instead of ${bytes}`)
    }
    if (total !== undefined && total > this.#maxBytes) {
      throw new UrlError(`the file has ${total} bytes, more than the limit of ${this.#maxBytes}`)
    }
    return { offset, total: bytes ?? total }
  }

  get #maxBytes(): number {
    return this.#file.maxBytes ?? Number.POSITIVE_INFINITY
  }

  async #receive(
    { body }: HttpResponse,
    url: string,
    { offset, total }: { offset: number; total: number | undefined },
  ): Promise<void> {
    const { name, file } = this.#file
    const limit = Math.min(total ?? Number.POSITIVE_INFINITY, this.#maxBytes)
    let bytes = offset
    {
      await using part = await open(this.#part, offset > 0 ? 'a' : 'w')
      for await (const chunk of body) {
        bytes += chunk.length
        if (bytes > limit) {
          await this.#discard()
          throw new UrlError(`the server sent more than ${limit} bytes`)
        }
        await part.writeFile(chunk)
        this.#lastDataAt = performance.now()
        this.#received = bytes
        this.#options.onDownload?.({ name, file, url, bytes, total })
      }
      await part.sync()
    }
    if (total !== undefined && bytes < total) {
      throw new UrlError(`the connection broke after ${bytes} of ${total} bytes`, {
        canRetry: true,
      })
    }
  }

  async #discard(): Promise<void> {
    await rm(this.#part, { force: true })
    await rm(this.#origin, { force: true })
  }
}

/** Returns a strong entity tag, which identifies the exact bytes; undefined for a weak tag. */
function strongEtag(etag: string | undefined): string | undefined {
  return etag?.startsWith('"') ? etag : undefined
}
