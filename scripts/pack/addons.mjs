import { existsSync } from 'node:fs'
import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ADDON_FILES } from '../../src/native/prebuilt-platforms.js'
import { PLATFORM } from '../setup/platform.mjs'
import { ROOT } from '../setup.mjs'
import { crateNotices } from './notices.mjs'

/** Native files of the package. The CUDA library is missing if it was built without CUDA headers. */
export const ADDONS = [
  ...Object.values(ADDON_FILES),
  ...(PLATFORM.cudaLibrary === undefined ? [] : [PLATFORM.cudaLibrary]),
]

/**
 * Stages the package of the addons. Cargo's release profile has already stripped them.
 *
 * @param {string} folder
 * @param {string} template folder of the package in the clone, with the built addons
 */
export async function stageAddons(folder, template) {
  for (const name of [...ADDONS.filter((name) => existsSync(join(template, name))), 'README.md']) {
    await copyFile(join(template, name), join(folder, name))
  }
  await copyFile(join(ROOT, 'LICENSE'), join(folder, 'LICENSE'))
  await writeFile(join(folder, 'THIRD-PARTY-NOTICES.txt'), await crateNotices())
}
