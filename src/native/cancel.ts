import { AbortError, ResidualError } from '../errors/errors.js'
import type { Addon, NativeCancel } from './addon.js'

/**
 * Does native work that a signal ends. It has ended when this settles.
 *
 * @param work is given what ends it; undefined without a signal
 * @throws {AbortError} once the signal is given
 */
export async function runCancellable<T>(
  signal: AbortSignal | undefined,
  addon: Addon,
  work: (cancel: NativeCancel | undefined) => Promise<T>,
): Promise<T> {
  if (signal === undefined) return await work(undefined)
  if (signal.aborted) throw new AbortError('aborted before it began', undefined, signal.reason)
  const cancel = new addon.NativeCancel()
  const give = () => cancel.cancel()
  signal.addEventListener('abort', give)
  try {
    return await work(cancel)
  } catch (error) {
    const ended = error instanceof ResidualError && error.code === 'E_ABORTED'
    throw ended ? new AbortError(error.message, undefined, signal.reason) : error
  } finally {
    signal.removeEventListener('abort', give)
  }
}
