import { existsSync } from 'node:fs'
import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ADDON_FILES } from '../../src/native/prebuilt-platforms.js'
import { PLATFORM } from '../setup/platform.mjs'
import { ROOT } from '../setup.mjs'
import { crateNotices } from './notices.mjs'
import { addonsReadme } from './readmes.mjs'

/** Native files of the package. */
export const ADDONS = [
  ...Object.values(ADDON_FILES),
  ...(PLATFORM.cudaLibrary === undefined ? [] : [PLATFORM.cudaLibrary]),
]

/**
 * Returns the native files in a folder. The CUDA library is missing if it was built without CUDA
 * headers.
 *
 * @param {string} folder
 */
export function addonsIn(folder) {
  return ADDONS.filter((name) => existsSync(join(folder, name)))
}

/**
 * Stages the package of the addons. Cargo's release profile has already stripped them.
 *
 * @param {string} folder
 * @param {string} built folder of the built addons
 */
export async function stageAddons(folder, built) {
  for (const name of addonsIn(built)) await copyFile(join(built, name), join(folder, name))
  await writeFile(join(folder, 'README.md'), addonsReadme())
  await copyFile(join(ROOT, 'LICENSE'), join(folder, 'LICENSE'))
  await writeFile(join(folder, 'THIRD-PARTY-NOTICES.txt'), await crateNotices())
}
