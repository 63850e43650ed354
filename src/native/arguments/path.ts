import { fileURLToPath } from 'node:url'
import { ResidualError } from '../../errors/errors.js'

/**
 * Converts a path or a `file:` URL to a path for the addon.
 *
 * @param key name of the argument, for the error message
 * @throws {ResidualError} `E_USAGE` for any other value
 */
export function toPath(path: string | URL, key: string): string {
  if (typeof path === 'string' && path !== '' && !path.includes('\0')) return path
  if (path instanceof URL && path.protocol === 'file:') return fileURLToPath(path)
  throw new ResidualError({
    code: 'E_USAGE',
    message: `\`${key}\` must be a path or a file: URL, not ${JSON.stringify(path)}`,
    at: { key },
  })
}
