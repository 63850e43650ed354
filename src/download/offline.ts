import { ResidualError } from '../errors/errors.js'
import type { DownloadTarget } from './download-error.js'

/** Returns whether downloads are disabled: RESIDUAL_OFFLINE is neither empty nor 0. */
export function isOffline(): boolean {
  const { RESIDUAL_OFFLINE: value } = process.env
  return value !== undefined && value !== '' && value !== '0'
}

/** Creates the error for a file that cannot be downloaded because downloads are disabled. */
export function offlineError(
  { file, target }: DownloadTarget,
  url: string | undefined,
): ResidualError {
  return new ResidualError({
    code: 'E_DOWNLOAD',
    message: `${file} is not on this machine, and RESIDUAL_OFFLINE disables downloads`,
    at: { file: target },
    hint: `Copy ${url ?? file} to ${target}, or unset RESIDUAL_OFFLINE.`,
  })
}
