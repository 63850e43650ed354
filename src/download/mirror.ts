import { ResidualError } from '../errors/errors.js'
import { redactUrl } from './redact-url.js'

/**
 * Returns the URLs of a file, in the order to try: `<RESIDUAL_MIRROR>/<group>/<file>` if that
 * variable is set, otherwise the published URLs.
 *
 * @param group name of a data set, or `weights`
 * @param from URLs of folders that contain the file
 * @throws {ResidualError} `E_USAGE` if RESIDUAL_MIRROR is not a URL
 */
export function fileUrls(group: string, file: string, from: readonly string[]): string[] {
  const { RESIDUAL_MIRROR: mirror } = process.env
  if (!mirror) return from.map((folder) => new URL(file, folder).href)
  try {
    const url = new URL(`${mirror.replace(/\/*$/, '')}/${group}/${file}`)
    if (url.protocol === 'https:' || url.protocol === 'http:') return [url.href]
  } catch {
    // Reported below.
  }
  throw new ResidualError({
    code: 'E_USAGE',
    message: `RESIDUAL_MIRROR must be an http or https URL, not ${JSON.stringify(redactUrl(mirror))}`,
    at: { key: 'RESIDUAL_MIRROR' },
    hint: 'Example: https://mirror.example.org/residual, with cifar10/cifar-10-binary.tar.gz in it.',
  })
}
