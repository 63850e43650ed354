import { fileURLToPath } from 'node:url'
import { ResidualError } from '../../errors/errors.js'

/**
 * A file or folder as the addon takes it.
 *
 * @param key what the argument is called
 * @throws {ResidualError} `E_USAGE` for what is neither a path nor a `file:` URL
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
