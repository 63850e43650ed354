import { copyFile, cp } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../setup/command.mjs'
import { BuildError } from '../setup/error.mjs'
import { ROOT } from '../setup.mjs'

/** @typedef {import('./tarball.mjs').Manifest} Manifest */

/**
 * Fills a folder with the package `residual`: what its package.json calls `files`, compiled anew, as
 * tsc leaves what older sources became in dist/. There are neither source maps, for the sources are
 * not published and what tsc makes of them reads like them, nor declarations other than index.d.ts,
 * which holds them all.
 *
 * @param {string} folder
 * @param {readonly string[]} files
 */
export async function stageResidual(folder, files) {
  const compiled = await run(
    'node_modules/.bin/tsc',
    ['--project', 'tsconfig.json', '--outDir', join(folder, 'dist'), '--declaration', 'false'],
    { cwd: ROOT, output: 'show' },
  )
  if (compiled.status !== 0) throw new BuildError(`tsc failed (exit status ${compiled.status})`)
  for (const name of files.filter((name) => name !== 'dist')) {
    await cp(join(ROOT, name), join(folder, name), { recursive: true })
  }
  // npm takes these two along unasked.
  for (const name of ['README.md', 'LICENSE']) await copyFile(join(ROOT, name), join(folder, name))
}

/**
 * The package.json that is published: without what only serves a clone, and with the platform
 * packages, of which npm installs those for the machine it is on.
 *
 * @param {Manifest} manifest the clone's
 * @param {readonly Manifest[]} platformPackages
 * @returns {Manifest}
 */
export function publishedManifest(manifest, platformPackages) {
  const { scripts: _, devDependencies: __, napi: ___, imports: ____, ...published } = manifest
  return {
    ...published,
    name: manifest.name,
    version: manifest.version,
    optionalDependencies: Object.fromEntries(
      platformPackages.map(({ name, version }) => [name, version]),
    ),
  }
}
