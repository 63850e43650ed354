// A project that uses the packed package, as `npm install residual` would set it up.

import { copyFile, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PREBUILT_PLATFORMS } from '../../src/native/prebuilt-platforms.js'
import { addonsIn } from '../pack/addons.mjs'
import { platformManifests, publishedManifest } from '../pack/manifests.mjs'
import { stageResidual } from '../pack/residual.mjs'
import { run } from '../setup/command.mjs'
import { PLATFORM, PLATFORM_NAME } from '../setup/platform.mjs'
import { ROOT } from '../setup.mjs'

/** @typedef {import('../pack/tarball.mjs').Manifest} Manifest */

/**
 * Packs the packages of residual and of its addons with `npm pack`, unpacks the tarballs into
 * `node_modules` of a new project, and links the dependencies and the libtorch of this clone.
 *
 * @param {string} project folder of the project
 * @returns {Promise<string>} folder of the installed package `residual`
 */
export async function createConsumer(project) {
  /** @type {Manifest & { files: string[] }} */
  const clone = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
  const modules = join(project, 'node_modules')
  await mkdir(join(modules, '@residual'), { recursive: true })
  await writeFile(join(project, 'package.json'), '{ "private": true, "type": "module" }\n')
  for (const name of await readdir(join(ROOT, 'node_modules'))) {
    await symlink(join(ROOT, 'node_modules', name), join(modules, name)).catch(() => {})
  }
  const built = join(ROOT, 'bindings', 'npm')
  const { addons, libtorch } = platformManifests(PLATFORM_NAME, PLATFORM, clone)
  await install(project, addons, async (folder) => {
    for (const name of addonsIn(join(built, PLATFORM_NAME))) {
      await copyFile(join(built, PLATFORM_NAME, name), join(folder, name))
    }
  })
  await mkdir(join(modules, libtorch.name))
  await symlink(join(built, PLATFORM.libtorch.name, 'lib'), join(modules, libtorch.name, 'lib'))
  await writeFile(join(modules, libtorch.name, 'package.json'), JSON.stringify(libtorch))
  const dependencies = Object.entries(PREBUILT_PLATFORMS).flatMap(([name, platform]) =>
    Object.values(platformManifests(name, platform, clone)),
  )
  const residual = publishedManifest(clone, dependencies)
  return await install(project, residual, (folder) => stageResidual(folder, clone.files))
}

/**
 * Packs a package and unpacks its tarball into `node_modules`.
 *
 * @param {string} project
 * @param {Manifest} manifest
 * @param {(folder: string) => Promise<void>} stage copies the files to the folder
 * @returns {Promise<string>} folder of the package in `node_modules`
 */
async function install(project, manifest, stage) {
  const staging = join(project, 'staging', manifest.name)
  await mkdir(staging, { recursive: true })
  await stage(staging)
  await writeFile(join(staging, 'package.json'), JSON.stringify(manifest))
  const packed = await run('npm', ['pack', '--ignore-scripts', '--silent'], { cwd: staging })
  if (packed.status !== 0) throw new Error(`npm pack failed: ${packed.stderr}`)
  const tarball = join(staging, packed.stdout.trim())
  const installed = join(project, 'node_modules', manifest.name)
  await mkdir(installed, { recursive: true })
  const args = ['-xzf', tarball, '--strip-components=1', '-C', installed]
  const unpacked = await run('tar', args)
  if (unpacked.status !== 0) throw new Error(`tar failed: ${unpacked.stderr}`)
  return installed
}
