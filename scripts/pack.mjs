import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { withLock } from '../src/download/file-lock.js'
import { PREBUILT_PLATFORMS } from '../src/native/prebuilt-platforms.js'
import { buildRelease } from './build.mjs'
import { addonsIn, stageAddons } from './pack/addons.mjs'
import { inputsOf, libtorchFiles, NVIDIA, stageFiles } from './pack/libtorch.mjs'
import { platformManifests, publishedManifest } from './pack/manifests.mjs'
import { stageResidual } from './pack/residual.mjs'
import { warnOfNewerSymbols } from './pack/symbol-versions.mjs'
import { makeTarball, PACK, tarballPath } from './pack/tarball.mjs'
import { PLATFORM, PLATFORM_NAME } from './setup/platform.mjs'
import { ROOT, runScript, setup } from './setup.mjs'

/** @typedef {import('./pack/tarball.mjs').Manifest} Manifest */

const PACKAGES = join(ROOT, 'bindings', 'npm')
const ADDONS = join(PACKAGES, PLATFORM_NAME)
const LIBTORCH = join(PACKAGES, PLATFORM.libtorch.name)

/**
 * Packs the tarballs of a release for this machine's platform into pack/.
 *
 * @param {{ lib: string, addons: string }} built folders of the libraries of libtorch and of the addons
 * @returns {Promise<string[]>} in the order to publish them: dependencies of `residual` first
 */
async function pack({ lib, addons: built }) {
  const clone = await readManifest(ROOT)
  const { addons, libtorch } = platformManifests(PLATFORM_NAME, PLATFORM, clone)
  const dependencies = Object.entries(PREBUILT_PLATFORMS).flatMap(([name, platform]) =>
    Object.values(platformManifests(name, platform, clone)),
  )
  const residual = publishedManifest(clone, dependencies)

  await mkdir(PACK, { recursive: true })
  await withLock(join(PACK, 'lock'), async () => {
    // Staging of an interrupted pack may hold half a gigabyte.
    const staging = join(PACK, 'staging')
    await rm(staging, { recursive: true, force: true })
    await mkdir(staging)
    await packLibtorch(join(staging, 'libtorch'), libtorch, lib)
    await warnOfNewerSymbols(built, addonsIn(built))
    await packFolder(join(staging, 'addons'), addons, (folder) =>
      stageAddons(folder, { built, template: ADDONS }),
    )
    await packFolder(join(staging, 'residual'), residual, (folder) =>
      stageResidual(folder, clone.files),
    )
    await rm(staging, { recursive: true })
  })
  return [addons, libtorch, residual].map(tarballPath)
}

/**
 * Packs libtorch. Takes half a minute, so that a tarball of unchanged files is kept.
 *
 * @param {string} folder
 * @param {Manifest} manifest
 * @param {string} lib
 */
async function packLibtorch(folder, manifest, lib) {
  const tarball = tarballPath(manifest)
  const record = `${tarball}.inputs`
  const files = await libtorchFiles(lib, LIBTORCH)
  const inputs = await inputsOf(files, manifest)
  const isFresh = (await readFile(record, 'utf8').catch(() => '')) === inputs
  if (!isFresh || (await stat(tarball).catch(() => undefined)) === undefined) {
    await rm(record, { force: true })
    await packFolder(folder, manifest, (to) => stageFiles(files, to))
    await writeFile(record, inputs)
  }
  if (files.some(({ to }) => NVIDIA.test(relative('licenses', to)))) {
    process.stderr.write(
      `pack: ${relative(ROOT, tarball)} contains NVIDIA's libraries: use it for testing only, do not publish it\n`,
    )
  }
}

/**
 * @param {string} folder
 * @param {Manifest} manifest
 * @param {(folder: string) => Promise<void>} stage copies all files except package.json to the folder
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
  // The tests pack what they have built before.
  const built = process.argv.includes('--no-build')
    ? { lib: (await setup()).lib, addons: ADDONS }
    : await buildRelease()
  for (const tarball of await pack(built)) {
    const { size } = await stat(tarball)
    process.stdout.write(`${relative(ROOT, tarball)}  ${(size / 1e6).toFixed(1)} MB\n`)
  }
})
