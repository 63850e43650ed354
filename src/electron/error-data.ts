import { AbortError, ResidualError, type RunError } from '../errors/errors.js'
import { fromSystemError } from '../errors/system-error.js'

/** An error as plain data, which crosses processes and the bridge of a window unchanged. */
export interface ErrorData extends RunError {
  /** `ResidualError` or `AbortError`. */
  name: string
  hint: string
  /** Path of the checkpoint saved on abort. */
  checkpoint?: string
}

/** Converts any thrown value to plain data. */
export function toErrorData(thrown: unknown): ErrorData {
  const error =
    thrown instanceof ResidualError
      ? thrown
      : (fromSystemError(thrown) ??
        new ResidualError({
          code: 'E_INTERNAL',
          message: thrown instanceof Error ? thrown.message : String(thrown),
        }))
  const { name, code, message, at, hint } = error
  const checkpoint = error instanceof AbortError ? error.checkpoint : undefined
  return { name, code, message, at: { ...at }, hint, ...(checkpoint && { checkpoint }) }
}

/** Converts an error of another process to an exception with the same code, place and hint. */
export function fromErrorData(data: ErrorData): ResidualError {
  return data.name === 'AbortError'
    ? new AbortError(data.message, data.checkpoint, undefined, data.hint)
    : new ResidualError(data)
}
