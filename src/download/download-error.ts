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
  /** Whether the host refused the connection or has no address, and never answered before. */
  readonly isUnreachable: boolean

  constructor(
    message: string,
    { canRetry = false, isUnreachable = false, retryAfter, cause }: UrlErrorOptions = {},
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.canRetry = canRetry
    this.isUnreachable = isUnreachable
    this.retryAfter = retryAfter
  }
}

interface UrlErrorOptions {
  canRetry?: boolean
  isUnreachable?: boolean
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
  const canRetry = attempts.some(({ error }) => error instanceof UrlError && error.canRetry)
  const repeat = canRetry ? 'Repeat the command to resume the download. ' : ''
  return new ResidualError(
    {
      code: 'E_DOWNLOAD',
      message: `${prefix}${file} could not be downloaded. ${reasons.join('. ')}`,
      at: { file: target },
      hint:
        `${repeat}Without a network, copy ${first?.url ?? file} to ${target}. ` +
        'HTTPS_PROXY and HTTP_PROXY set a proxy, RESIDUAL_MIRROR a mirror.',
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
 * @param reason why the last attempt failed, if one did
 * @throws {AbortError}
 */
export function throwIfAborted(signal: AbortSignal | undefined, reason?: string): void {
  if (!signal?.aborted) return
  const suffix = reason === undefined ? '' : `; the last attempt failed: ${reason}`
  throw new AbortError(`aborted while downloading${suffix}`, undefined, signal.reason)
}

/** Throws the error of an aborted operation: `error` if it is an `AbortError`, otherwise a new one. */
export function rethrowIfAborted(error: unknown, signal: AbortSignal | undefined): void {
  if (signal?.aborted && error instanceof AbortError) throw error
  throwIfAborted(signal)
}

/** Returns the message of the innermost cause, which is more specific than the outer messages. */
export function rootCause(error: unknown): string {
  const inner = innermost(error)
  return inner instanceof Error ? inner.message || inner.name : String(inner)
}

/** Returns the code of the innermost cause, such as `ECONNREFUSED`; an empty text without one. */
export function rootCode(error: unknown): string {
  return (innermost(error) as NodeJS.ErrnoException | undefined)?.code ?? ''
}

function innermost(error: unknown): unknown {
  const causes = error instanceof AggregateError ? error.errors : [(error as Error)?.cause]
  const inner = causes.find((cause) => cause instanceof Error)
  return inner === undefined ? error : innermost(inner)
}
