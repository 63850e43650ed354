import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { build } from './build.mjs'
import { stageAddons } from './pack/addons.mjs'
import { inputsOf, libtorchFiles, NVIDIA, stageFiles } from './pack/libtorch.mjs'
import { publishedManifest, stageResidual } from './pack/residual.mjs'
import { makeTarball, PACK, tarballPath } from './pack/tarball.mjs'
import { withLock } from './setup/lock.mjs'
import { ROOT, runScript, setup } from './setup.mjs'

/** @typedef {import('./pack/tarball.mjs').Manifest} Manifest */

const TEMPLATES = join(ROOT, 'bindings', 'npm')
const ADDONS = join(TEMPLATES, 'linux-x64-gnu')
const LIBTORCH = join(TEMPLATES, 'libtorch-linux-x64')

/**
 * Makes the tarballs that a release publishes, in pack/.
 *
 * @param {string} lib the folder that holds libtorch_cpu.so
 * @returns {Promise<string[]>} in the order to publish them: what `residual` depends on comes first
 */
async function pack(lib) {
  const clone = await readManifest(ROOT)
  const { version } = clone
  const addons = { ...(await readManifest(ADDONS)), version }
  const libtorch = { ...(await readManifest(LIBTORCH)), version }
  const residual = publishedManifest(clone, [addons, libtorch])

  await mkdir(PACK, { recursive: true })
  await withLock(join(PACK, 'lock'), async () => {
    // Left by a pack that was interrupted, it may hold half a gigabyte.
    const staging = join(PACK, 'staging')
    await rm(staging, { recursive: true, force: true })
    await mkdir(staging)
    await packLibtorch(join(staging, 'libtorch'), libtorch, lib)
    await packFolder(join(staging, 'addons'), addons, (folder) => stageAddons(folder, ADDONS))
    await packFolder(join(staging, 'residual'), residual, (folder) =>
      stageResidual(folder, clone.files),
    )
    await rm(staging, { recursive: true })
  })
  return [addons, libtorch, residual].map(tarballPath)
}

/**
 * Takes half a minute, so a tarball made of the same files is kept.
 *
 * @param {string} folder
 * @param {Manifest} manifest
 * @param {string} lib
 */
async function packLibtorch(folder, manifest, lib) {
  const tarball = tarballPath(manifest)
  const note = `${tarball}.inputs`
  const files = await libtorchFiles(lib, LIBTORCH)
  const inputs = await inputsOf(files, manifest)
  const fresh = (await readFile(note, 'utf8').catch(() => '')) === inputs
  if (!fresh || (await stat(tarball).catch(() => undefined)) === undefined) {
    await rm(note, { force: true })
    await packFolder(folder, manifest, (to) => stageFiles(files, to))
    await writeFile(note, inputs)
  }
  if (files.some(({ to }) => NVIDIA.test(relative('licenses', to)))) {
    process.stderr.write(
      `pack: ${relative(ROOT, tarball)} holds NVIDIA's libraries; it is for testing, not to publish\n`,
    )
  }
}

/**
 * @param {string} folder
 * @param {Manifest} manifest
 * @param {(folder: string) => Promise<void>} stage fills the folder, but for its package.json
 */
async function packFolder(folder, manifest, stage) {
  await mkdir(folder)
  await stage(folder)
  await makeTarball(folder, manifest)
}

/**
 * @param {string} folder
 * @returns {Promise<Manifest & { files: string[] }>}
 */
async function readManifest(folder) {
  return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
}

await runScript(import.meta.url, async () => {
  // For the tests, which come after a build.
  const { lib } = await (process.argv.includes('--no-build') ? setup() : build())
  for (const tarball of await pack(lib)) {
    const { size } = await stat(tarball)
    process.stdout.write(`${relative(ROOT, tarball)}  ${(size / 1e6).toFixed(1)} MB\n`)
  }
})
