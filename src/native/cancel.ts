import { AbortError, ResidualError } from '../errors/errors.js'
import type { Addon, NativeCancel } from './addon.js'

/**
 * Runs native work that an `AbortSignal` can cancel. The work has ended when the promise settles.
 *
 * @param work receives the cancellation handle; undefined without a signal
 * @throws {AbortError} if the signal is aborted
 */
export async function runCancellable<T>(
  signal: AbortSignal | undefined,
  addon: Addon,
  work: (cancel: NativeCancel | undefined) => Promise<T>,
): Promise<T> {
  if (signal === undefined) return await work(undefined)
  if (signal.aborted) throw new AbortError('aborted before the start', undefined, signal.reason)
  const cancel = new addon.NativeCancel()
  const onAbort = () => cancel.cancel()
  signal.addEventListener('abort', onAbort)
  try {
    return await work(cancel)
  } catch (error) {
    const isAborted = error instanceof ResidualError && error.code === 'E_ABORTED'
    throw isAborted ? new AbortError(error.message, undefined, signal.reason) : error
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
