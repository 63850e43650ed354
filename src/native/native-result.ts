import { ResidualError, type RunError } from '../errors/errors.js'
import { missingCudaRequirement, NO_CUDA_DEVICE } from './cuda-requirements.js'

/** A result of the addon. Errors are data, because rejections of napi have no error code. */
export type NativeResult<T> = { ok: T } | { error: RunError }

/**
 * Parses a result of the addon and returns its value.
 *
 * @throws {ResidualError} if the result is an error
 */
export function unwrapResult<T>(json: string): T {
  const result = JSON.parse(json) as NativeResult<T>
  if ('error' in result) throw toResidualError(result.error)
  return result.ok
}

/** Converts an error of the addon to an exception. */
export function toResidualError(error: RunError, options?: ErrorOptions): ResidualError {
  if (error.code !== 'E_DEVICE') return new ResidualError(error, options)
  // The core reports only that there is no CUDA device. The message adds the missing requirement.
  const missing = missingCudaRequirement() ?? NO_CUDA_DEVICE
  const message = `${error.message}: ${missing.detail}`
  const hints = [missing.hint, error.hint, '`residual doctor` checks the installation.']
  return new ResidualError({ ...error, message, hint: hints.filter(Boolean).join(' ') }, options)
}
