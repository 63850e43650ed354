import { existsSync } from 'node:fs'
import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ROOT } from '../setup.mjs'
import { crateNotices } from './notices.mjs'

/** What is built for it; the last where the headers of CUDA were there. */
export const ADDONS = ['residual.node', 'residual-torch.node', 'residual-cuda.so']

/**
 * Fills a folder with the package of the addons. Cargo's release profile has stripped them.
 *
 * @param {string} folder
 * @param {string} template the package's folder in the clone, where the build leaves the addons
 */
export async function stageAddons(folder, template) {
  for (const name of [...ADDONS.filter((name) => existsSync(join(template, name))), 'README.md']) {
    await copyFile(join(template, name), join(folder, name))
  }
  await copyFile(join(ROOT, 'LICENSE'), join(folder, 'LICENSE'))
  await writeFile(join(folder, 'THIRD-PARTY-NOTICES.txt'), await crateNotices())
}
