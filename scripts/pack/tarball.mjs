import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../setup/command.mjs'
import { BuildError } from '../setup/error.mjs'
import { ROOT } from '../setup.mjs'

/** Where tarballs are left. */
export const PACK = join(ROOT, 'pack')

/**
 * What is needed of a package.json; the rest goes through as it is.
 * @typedef {{ name: string, version: string } & Record<string, unknown>} Manifest
 */

/**
 * Where npm would put a package's tarball.
 *
 * @param {Pick<Manifest, 'name' | 'version'>} manifest
 */
export function tarballPath({ name, version }) {
  return join(PACK, `${name.replace('@', '').replace('/', '-')}-${version}.tgz`)
}

/**
 * Packs a folder that holds what is published and nothing else.
 *
 * @param {string} folder
 * @param {Manifest} manifest its package.json
 */
export async function makeTarball(folder, manifest) {
  await writeFile(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`)
  const made = join(folder, '..', 'made')
  await mkdir(made, { recursive: true })
  const { status, stderr } = await run(
    'npm',
    ['pack', folder, '--ignore-scripts', '--pack-destination', made],
    { cwd: ROOT },
  )
  if (status !== 0) throw new BuildError(`npm pack of ${manifest.name} failed:\n${stderr.trim()}`)
  const tarball = tarballPath(manifest)
  // In one move, so that an interrupted pack leaves no half of one.
  await rename(join(made, tarball.slice(PACK.length + 1)), tarball)
}
