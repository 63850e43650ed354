import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../setup/command.mjs'
import { BuildError } from '../setup/error.mjs'
import { ROOT } from '../setup.mjs'

/** Folder of the tarballs. */
export const PACK = join(ROOT, 'pack')

/**
 * The part of a package.json that pack reads; other keys are copied.
 *
 * @typedef {{ name: string, version: string } & Record<string, unknown>} Manifest
 */

/**
 * Returns the path of a tarball, named as `npm pack` does.
 *
 * @param {Pick<Manifest, 'name' | 'version'>} manifest
 */
export function tarballPath({ name, version }) {
  return join(PACK, `${name.replace('@', '').replace('/', '-')}-${version}.tgz`)
}

/**
 * Packs a folder that contains exactly the published files.
 *
 * @param {string} folder
 * @param {Manifest} manifest its package.json
 */
export async function makeTarball(folder, manifest) {
  await writeFile(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`)
  const output = join(folder, '..', 'tarballs')
  await mkdir(output, { recursive: true })
  const { status, stderr } = await run(
    'npm',
    ['pack', folder, '--ignore-scripts', '--pack-destination', output],
    { cwd: ROOT },
  )
  if (status !== 0) throw new BuildError(`npm pack of ${manifest.name} failed:\n${stderr.trim()}`)
  const tarball = tarballPath(manifest)
  // Renamed, so that an interrupted pack leaves no partial tarball.
  await rename(join(output, tarball.slice(PACK.length + 1)), tarball)
}
