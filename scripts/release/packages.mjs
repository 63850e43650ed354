import { join } from 'node:path'
import { ADDON_FILES } from '../../src/native/prebuilt-platforms.js'
import { platformManifests, publishedManifest } from '../pack/manifests.mjs'
import { PACK, tarballPath } from '../pack/tarball.mjs'

/** @typedef {import('../pack/tarball.mjs').Manifest} Manifest */
/** @typedef {import('../../src/native/prebuilt-platforms.js').Platform} Platform */

/**
 * A package of a release.
 *
 * @typedef {object} Package
 * @property {string} name
 * @property {string} version
 * @property {Manifest} manifest its package.json
 * @property {string} tarball path of the tarball
 * @property {readonly string[]} files files that the tarball must contain
 * @property {readonly [number, number]} [minGlibc] oldest glibc with which its addons must load
 */

/**
 * Lists the packages of a release in the order of publication: every package comes after its
 * dependencies. An installation between two publications therefore never finds a `residual` whose
 * optional dependencies do not exist, which npm would skip without a message.
 *
 * @param {Manifest} clone package.json of the repository
 * @param {Readonly<Record<string, Platform>>} platforms
 * @param {string} [folder] folder of the tarballs
 * @returns {Package[]}
 */
export function releasePackages(clone, platforms, folder = PACK) {
  const entries = Object.entries(platforms).map(([name, platform]) => ({
    platform,
    ...platformManifests(name, platform, clone),
  }))
  const residual = publishedManifest(
    clone,
    entries.flatMap(({ addons, libtorch }) => [addons, libtorch]),
  )
  const toPackage = (/** @type {Manifest} */ manifest, /** @type {string[]} */ files) => ({
    name: manifest.name,
    version: manifest.version,
    manifest,
    tarball: join(folder, tarballPath(manifest).slice(PACK.length + 1)),
    files,
  })
  return [
    ...entries.map(({ libtorch, platform }) =>
      toPackage(libtorch, [
        ...['README.md', `lib/${platform.libtorch.library}`],
        'licenses/pytorch/LICENSE',
      ]),
    ),
    ...entries.map(({ addons, platform: { cudaLibrary, minGlibc } }) => ({
      ...toPackage(addons, [
        ...['LICENSE', 'README.md', 'THIRD-PARTY-NOTICES.txt', ...Object.values(ADDON_FILES)],
        ...(cudaLibrary === undefined ? [] : [cudaLibrary]),
      ]),
      ...(minGlibc === undefined ? {} : { minGlibc }),
    })),
    toPackage(residual, [
      ...['LICENSE', 'NOTICE.md', 'README.md', 'dist/index.js', 'dist/cli/main.js'],
      ...['index.d.ts', 'config.schema.json'],
    ]),
  ]
}
