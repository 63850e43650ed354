import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
import { withLock } from '../src/download/file-lock.js'
import { PREBUILT_PLATFORMS } from '../src/native/prebuilt-platforms.js'
import { NATIVE } from './build/release-target.mjs'
import { buildRelease } from './build.mjs'
import { addonsIn, stageAddons } from './pack/addons.mjs'
import { inputsOf, libtorchFiles, packagedLibraries, stageFiles } from './pack/libtorch.mjs'
import { platformManifests, publishedManifest } from './pack/manifests.mjs'
import { libtorchReadme } from './pack/readmes.mjs'
import { stageResidual } from './pack/residual.mjs'
import { warnOfNewerSymbols } from './pack/symbol-versions.mjs'
import { makeTarball, PACK, tarballPath } from './pack/tarball.mjs'
import { vendorsOf } from './pack/vendors.mjs'
import { PLATFORM, PLATFORM_NAME } from './setup/platform.mjs'
import { ROOT, runScript, setup } from './setup.mjs'

/** @typedef {import('./pack/tarball.mjs').Manifest} Manifest */

/** Folder of the addons in a clone. */
const ADDONS = join(ROOT, 'bindings', 'npm', PLATFORM_NAME)

/**
 * Packs the tarballs of a release for one platform into pack/.
 *
 * @param {import('./build.mjs').BuiltRelease} built
 * @returns {Promise<string[]>} in the order to publish them: dependencies of `residual` first
 */
async function pack({ lib, addons: built, cxx }) {
  const clone = await readManifest(ROOT)
  const { addons, libtorch } = platformManifests(PLATFORM_NAME, PLATFORM, clone)
  const dependencies = Object.entries(PREBUILT_PLATFORMS).flatMap(([name, platform]) =>
    Object.values(platformManifests(name, platform, clone)),
  )
  const residual = publishedManifest(clone, dependencies)

  await withStaging(async (staging) => {
    await packLibtorch(join(staging, 'libtorch'), libtorch, { lib, cxx })
    await warnOfNewerSymbols(built, addonsIn(built))
    await packFolder(join(staging, 'addons'), addons, (folder) => stageAddons(folder, built))
    await packFolder(join(staging, 'residual'), residual, (folder) =>
      stageResidual(folder, clone.files),
    )
  })
  return [addons, libtorch, residual].map(tarballPath)
}

/** @param {(staging: string) => Promise<void>} work */
async function withStaging(work) {
  await mkdir(PACK, { recursive: true })
  await withLock(join(PACK, 'lock'), async () => {
    // Staging of an interrupted pack may hold half a gigabyte.
    const staging = join(PACK, 'staging')
    await rm(staging, { recursive: true, force: true })
    await mkdir(staging)
    await work(staging)
    await rm(staging, { recursive: true })
  })
}

/**
 * Packs libtorch. Takes half a minute, so that a tarball of unchanged files is kept.
 *
 * @param {string} folder
 * @param {Manifest} manifest
 * @param {{ lib: string, cxx: string }} built
 */
async function packLibtorch(folder, manifest, { lib, cxx }) {
  const tarball = tarballPath(manifest)
  const record = `${tarball}.inputs`
  const libraries = await packagedLibraries(lib, cxx)
  const files = await libtorchFiles(libraries)
  const readme = libtorchReadme(libraries)
  const inputs = await inputsOf(files, { manifest, readme })
  const isFresh = (await readFile(record, 'utf8').catch(() => '')) === inputs
  if (!isFresh || (await stat(tarball).catch(() => undefined)) === undefined) {
    await rm(record, { force: true })
    await packFolder(folder, manifest, async (to) => {
      await stageFiles(files, to)
      await writeFile(join(to, 'README.md'), readme)
    })
    await writeFile(record, inputs)
  }
  const testOnly = libraries.filter((path) => vendorsOf(path).some(({ isTestOnly }) => isTestOnly))
  if (testOnly.length > 0) {
    const names = testOnly.map((path) => basename(path)).join(', ')
    process.stderr.write(
      `pack: ${relative(ROOT, tarball)} contains ${names}: use it for testing only, do not publish it\n`,
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
    ? { lib: (await setup()).lib, addons: ADDONS, cxx: NATIVE.cxx }
    : await buildRelease()
  for (const tarball of await pack(built)) {
    const { size } = await stat(tarball)
    process.stdout.write(`${relative(ROOT, tarball)}  ${(size / 1e6).toFixed(1)} MB\n`)
  }
})
