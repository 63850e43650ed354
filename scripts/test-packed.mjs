// Runs the TypeScript tests with the addons and the libtorch of the tarballs in pack/, as a release
// publishes them, without building anything. Used by the workflows on every platform.

import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { extract } from 'tar'
import { TSC } from './build.mjs'
import { platformManifests } from './pack/manifests.mjs'
import { tarballPath } from './pack/tarball.mjs'
import { readVersions } from './release/versions.mjs'
import { run } from './setup/command.mjs'
import { BuildError } from './setup/error.mjs'
import { PLATFORM, PLATFORM_NAME } from './setup/platform.mjs'
import { ROOT, runScript } from './setup.mjs'
import { findChromium } from './test/chromium.mjs'

await runScript(import.meta.url, async () => {
  const [{ version }] = await readVersions(ROOT)
  const manifests = platformManifests(PLATFORM_NAME, PLATFORM, { name: 'residual', version })
  await unpack(PLATFORM_NAME, manifests.addons)
  await unpack(PLATFORM.libtorch.name, manifests.libtorch)
  for (const project of ['tsconfig.json', 'tsconfig.test.json']) {
    await step(process.execPath, [TSC, '--project', project])
  }
  const RESIDUAL_TEST_CHROMIUM = (await findChromium()) ?? ''
  await step(process.execPath, ['node_modules/ava/entrypoints/cli.mjs'], { RESIDUAL_TEST_CHROMIUM })
})

/**
 * Unpacks a tarball into the folder of the package in the clone, where the loader looks for it. The
 * folder is removed first: set-up puts a link to the cached libtorch there, whose files must not
 * change.
 *
 * @param {string} folder
 * @param {import('./pack/tarball.mjs').Manifest} manifest
 */
async function unpack(folder, manifest) {
  const to = join(ROOT, 'bindings', 'npm', folder)
  await rm(to, { recursive: true, force: true })
  await mkdir(to, { recursive: true })
  await extract({ file: tarballPath(manifest), cwd: to, strip: 1, strict: true })
}

/**
 * @param {string} program
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 */
async function step(program, args, env) {
  const options = { cwd: ROOT, env: { ...process.env, ...env } }
  const { status } = await run(program, args, { ...options, output: 'show' })
  if (status !== 0) throw new BuildError(`${program} ${args[0]} failed (exit status ${status})`)
}
