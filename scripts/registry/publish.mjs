import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { create } from 'tar'
import { PREBUILT_PLATFORMS } from '../../src/native/prebuilt-platforms.js'
import { releasePackages } from '../release/packages.mjs'
import { planRelease, publishOptions, publishSteps } from '../release/plan.mjs'
import { ROOT } from '../setup.mjs'

/** @typedef {import('../release/packages.mjs').Package} Package */

/**
 * Publishes the packed tarballs to the registry of npm's configuration, as a release does. Packages
 * of platforms that were not packed here are published without libraries, so that a package manager
 * finds every optional dependency.
 *
 * @param {{ tarballs: string, folder: string, log: (line: string) => void }} options folder of the
 *   tarballs, and an empty folder
 * @returns {Promise<string[]>} names of the packages without libraries
 */
export async function publishTarballs({ tarballs, folder, log }) {
  const clone = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
  /** @type {string[]} */
  const standIns = []
  const packages = await Promise.all(
    releasePackages(clone, PREBUILT_PLATFORMS, tarballs).map(async (pkg) => {
      if (existsSync(pkg.tarball)) return pkg
      standIns.push(pkg.name)
      return { ...pkg, tarball: await packManifest(pkg, folder) }
    }),
  )
  await publishSteps(await planRelease(packages), publishOptions(clone.version, {}), log)
  return standIns
}

/**
 * Creates a tarball that contains only the package.json.
 *
 * @param {Package} pkg
 * @param {string} folder
 */
async function packManifest({ manifest, tarball }, folder) {
  const name = basename(tarball)
  const staging = join(folder, `${name}-staging`)
  await mkdir(join(staging, 'package'), { recursive: true })
  await writeFile(join(staging, 'package', 'package.json'), JSON.stringify(manifest))
  const file = join(folder, name)
  await create({ file, cwd: staging, gzip: true, portable: true }, ['package'])
  return file
}
