import { ResidualError } from '../errors/errors.js'

/**
 * Where to look for a file: `RESIDUAL_MIRROR/<group>/<file>` if that is set, and nowhere else; or
 * where it is published.
 *
 * @param group a data set's name, or `weights`
 * @param from addresses of folders
 * @throws {ResidualError} `E_USAGE` if the mirror is no address
 */
export function addresses(group: string, file: string, from: readonly string[]): string[] {
  const { RESIDUAL_MIRROR: mirror } = process.env
  if (!mirror) return from.map((folder) => new URL(file, folder).href)
  try {
    const url = new URL(`${mirror.replace(/\/*$/, '')}/${group}/${file}`)
    if (url.protocol === 'https:' || url.protocol === 'http:') return [url.href]
  } catch {
    // Told below.
  }
  throw new ResidualError({
    code: 'E_USAGE',
    message: `RESIDUAL_MIRROR must be an address, not ${JSON.stringify(mirror)}`,
    at: { key: 'RESIDUAL_MIRROR' },
    hint: 'For instance https://mirror.example.org/residual, which has cifar10/cifar-10-binary.tar.gz.',
  })
}
