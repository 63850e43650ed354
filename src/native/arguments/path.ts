import { ResidualError } from '../../errors/errors.js'
import { convertFileUrl, isUrl, urlScheme } from './url.js'

/**
 * Converts a path or a `file:` URL to a path for the addon.
 *
 * @param key name of the argument, for the error message
 * @throws {ResidualError} `E_USAGE` for any other value
 */
export function toPath(path: string | URL, key: string): string {
  const error = (problem: string, hint?: string) =>
    new ResidualError({
      code: 'E_USAGE',
      message: `\`${key}\` must be a path or a file: URL, not ${problem}`,
      at: { key },
      ...(hint !== undefined && { hint }),
    })
  if (typeof path !== 'string' && !isUrl(path)) throw error(JSON.stringify(path) ?? typeof path)
  const scheme = urlScheme(path)
  if (scheme === 'file') return convertFileUrl(path, key)
  if (scheme !== undefined) {
    throw error(`a ${scheme}: URL`, 'Download the file, and pass its path.')
  }
  if (path === '' || String(path).includes('\0')) throw error(JSON.stringify(path))
  return path as string
}
