import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '../setup/command.mjs'
import { BuildError } from '../setup/error.mjs'
import { ROOT } from '../setup.mjs'

/** @typedef {import('../pack/tarball.mjs').Manifest} Manifest */
/** @typedef {import('./addons.mjs').Bom} Bom */
/** @typedef {{ packages: Record<string, { dev?: boolean, devDependencies?: object }> }} Lockfile */

/**
 * Returns the bill of materials of the npm package: the packages in package-lock.json that npm
 * installs with residual. The addons have their own.
 *
 * @param {Manifest} clone package.json of the repository
 * @returns {Promise<Bom>}
 */
export async function packageBom(clone) {
  const lockfile = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8'))
  const parent = await mkdtemp(join(tmpdir(), 'residual-sbom-'))
  try {
    // npm names the package as its folder.
    const folder = join(parent, clone.name)
    await mkdir(folder)
    const { devDependencies: _, ...manifest } = clone
    await writeFile(join(folder, 'package.json'), JSON.stringify(manifest))
    await writeFile(join(folder, 'package-lock.json'), JSON.stringify(productionLockfile(lockfile)))
    const args = ['sbom', '--sbom-format=cyclonedx', '--package-lock-only']
    const { status, stdout, stderr } = await run('npm', args, { cwd: folder })
    if (status !== 0) throw new BuildError(`npm sbom failed:\n${stderr.trim()}`)
    return JSON.parse(stdout)
  } finally {
    await rm(parent, { recursive: true, force: true })
  }
}

/**
 * Returns a lock file without development dependencies. `npm sbom --omit=dev` would also omit
 * packages that both residual and a development dependency depend on, such as tar.
 *
 * @param {Lockfile} lockfile
 * @returns {Lockfile}
 */
function productionLockfile({ packages, ...rest }) {
  const { devDependencies: _, ...root } = packages[''] ?? {}
  const production = Object.entries(packages).filter(([, { dev }]) => !dev)
  return { ...rest, packages: { ...Object.fromEntries(production), '': root } }
}
