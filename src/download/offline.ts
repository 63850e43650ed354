import { ResidualError } from '../errors/errors.js'
import type { Wanted } from './download-error.js'

/** Whether nothing is to be fetched: `RESIDUAL_OFFLINE` is set, and not to 0. */
export function isOffline(): boolean {
  const { RESIDUAL_OFFLINE: said } = process.env
  return said !== undefined && said !== '' && said !== '0'
}

/** A file that would have to be fetched. */
export function notFetched({ file, target }: Wanted, url: string | undefined): ResidualError {
  return new ResidualError({
    code: 'E_DOWNLOAD',
    message: `${file} is not here, and RESIDUAL_OFFLINE lets nothing be fetched`,
    at: { file: target },
    hint: `Fetch ${url ?? file} by other means and put it there: ${target}. Or unset RESIDUAL_OFFLINE.`,
  })
}
