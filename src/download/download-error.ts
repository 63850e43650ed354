import { AbortError, ResidualError } from '../errors/errors.js'

/** A file to download: the properties that error messages contain. */
export interface DownloadTarget {
  /** Name of the file. */
  file: string
  /** Path of the downloaded file; users may also copy the file there. */
  target: string
}

/** The failure of a download from one URL. Other URLs are tried after it. */
export class UrlError extends Error {
  /** Whether a retry of the same URL may succeed. */
  readonly canRetry: boolean
  /** Minimum delay before a retry in ms, if the server sent one. */
  readonly retryAfter: number | undefined

  constructor(message: string, { canRetry = false, retryAfter, cause }: UrlErrorOptions = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.canRetry = canRetry
    this.retryAfter = retryAfter
  }
}

interface UrlErrorOptions {
  canRetry?: boolean
  retryAfter?: number | undefined
  cause?: unknown
}

/**
 * Creates the error for a file that no URL provided.
 *
 * @param attempts the error of each URL
 * @param removed why an existing file was removed before the download, if it was
 */
export function downloadError(
  { file, target }: DownloadTarget,
  attempts: readonly { url: string; error: Error }[],
  removed?: string,
): ResidualError {
  const [first] = attempts
  const reasons = attempts.map(({ url, error }) => `${url}: ${error.message}`)
  const prefix = removed === undefined ? '' : `${removed}; `
  return new ResidualError(
    {
      code: 'E_DOWNLOAD',
      message: `${prefix}${file} could not be downloaded. ${reasons.join('. ')}`,
      at: { file: target },
      hint:
        `Repeat the command to resume the download. Without a network, copy ${first?.url ?? file} ` +
        `to ${target}. HTTPS_PROXY and HTTP_PROXY set a proxy, RESIDUAL_MIRROR a mirror.`,
    },
    first && { cause: first.error },
  )
}

/** Converts a file system error to `E_WRITE`, which is not retried; undefined for other errors. */
export function toWriteError(error: unknown, path: string): ResidualError | undefined {
  const { code, syscall, message } = error as NodeJS.ErrnoException
  if (code === undefined || syscall === undefined || !FILE_SYSCALLS.has(syscall)) return undefined
  const isFull = code === 'ENOSPC' || code === 'EDQUOT'
  return new ResidualError(
    {
      code: 'E_WRITE',
      message: isFull
        ? `no space is left on the disk of ${path}`
        : `${path} could not be written: ${message}`,
      at: { file: path },
      hint: 'Set RESIDUAL_CACHE to a writable folder on a disk with free space.',
    },
    { cause: error },
  )
}

/** System calls on files, in contrast to those on sockets. */
const FILE_SYSCALLS = new Set([
  ...['open', 'write', 'fsync', 'rename', 'mkdir', 'rm', 'unlink', 'rmdir', 'ftruncate', 'stat'],
  ...['copyfile', 'scandir', 'statfs'],
])

/**
 * Throws if the signal is aborted.
 *
 * @throws {AbortError}
 */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AbortError('aborted while downloading', undefined, signal.reason)
}

/** Returns the message of the innermost cause, which is more specific than the outer messages. */
export function rootCause(error: unknown): string {
  const causes = error instanceof AggregateError ? error.errors : [(error as Error)?.cause]
  const inner = causes.find((cause) => cause instanceof Error)
  if (inner !== undefined) return rootCause(inner)
  return error instanceof Error ? error.message || error.name : String(error)
}
