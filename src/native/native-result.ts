import { missingStep } from '../doctor/cuda.js'
import { type Failure, ResidualError } from '../errors/errors.js'

/** A result as it comes over the bridge: failures are data, for a rejection would lose their code. */
export type Envelope<T> = { ok: T } | { error: Failure }

/**
 * Takes the result out of its envelope.
 *
 * @throws {ResidualError} if it holds a failure
 */
export function open<T>(json: string): T {
  const envelope = JSON.parse(json) as Envelope<T>
  if ('error' in envelope) throw toError(envelope.error)
  return envelope.ok
}

/** A failure that came over the bridge, as what is thrown. */
export function toError(failure: Failure, options?: ErrorOptions): ResidualError {
  if (failure.code !== 'E_DEVICE') return new ResidualError(failure, options)
  // The core knows that there is no CUDA; which step to it is missing shows on this side.
  const missing = missingStep()
  if (missing === undefined) return new ResidualError(failure, options)
  const message = `${failure.message}: ${missing.found}`
  const ways = [missing.next, failure.hint, '`residual doctor` looks at everything.']
  return new ResidualError({ ...failure, message, hint: ways.filter(Boolean).join(' ') }, options)
}
