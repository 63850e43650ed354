import { AbortError, ResidualError } from '../errors/errors.js'

/** What is downloaded, as far as a message needs it. */
export interface Wanted {
  /** The file's name. */
  file: string
  /** Where it is to lie in the end, or to be put by hand. */
  target: string
}

/** Why one address did not give the file; the next one may. */
export class AddressError extends Error {
  /** Whether the same address may give it a moment later. */
  readonly again: boolean
  /** The least time to wait before, in ms, if the server says so. */
  readonly after: number | undefined

  constructor(message: string, { again = false, after, cause }: AddressErrorOptions = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.again = again
    this.after = after
  }
}

interface AddressErrorOptions {
  again?: boolean
  after?: number | undefined
  cause?: unknown
}

/** No address gave the file: what each of them said, and how to do without. */
export function notDownloaded(
  { file, target }: Wanted,
  tried: readonly { url: string; error: Error }[],
  before?: string,
): ResidualError {
  const [first] = tried
  const reasons = tried.map(({ url, error }) => `${url}: ${error.message}`)
  const prefix = before === undefined ? '' : `${before}; `
  return new ResidualError(
    {
      code: 'E_DOWNLOAD',
      message: `${prefix}${file} could not be downloaded. ${reasons.join('. ')}`,
      at: { file: target },
      hint:
        `Try again: what has arrived is kept. Without a network, fetch ${first?.url ?? file} by ` +
        `other means and put it there: ${target}. A proxy is taken from HTTPS_PROXY and ` +
        'HTTP_PROXY, a mirror from RESIDUAL_MIRROR.',
    },
    first && { cause: first.error },
  )
}

/** A disk that refuses is not mended by trying again. */
export function diskFailure(error: unknown, path: string): ResidualError | undefined {
  const { code, syscall, message } = error as NodeJS.ErrnoException
  if (code === undefined || syscall === undefined || !FILE_CALLS.has(syscall)) return undefined
  const full = code === 'ENOSPC' || code === 'EDQUOT'
  return new ResidualError(
    {
      code: 'E_WRITE',
      message: full ? `no space is left for ${path}` : `${path} could not be written: ${message}`,
      at: { file: path },
      hint: 'Set RESIDUAL_CACHE to a folder on a disk with room that you may write to.',
    },
    { cause: error },
  )
}

/** The calls on files, as against those on sockets. */
const FILE_CALLS = new Set([
  ...['open', 'write', 'fsync', 'rename', 'mkdir', 'rm', 'unlink', 'rmdir', 'ftruncate', 'stat'],
])

/** Throws, once the signal has been given. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AbortError('aborted while downloading', undefined, signal.reason)
}

/** The innermost reason: what `fetch failed` is about stands in its cause. */
export function reason(error: unknown): string {
  const causes = error instanceof AggregateError ? error.errors : [(error as Error)?.cause]
  const inner = causes.find((cause) => cause instanceof Error)
  if (inner !== undefined) return reason(inner)
  return error instanceof Error ? error.message || error.name : String(error)
}
