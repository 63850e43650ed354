// Copies of the package, as npm installs two versions of a dependency.

import { cpSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Installs copies of the package: `NAME/node_modules/residual` in a folder for each name.
 *
 * @param {string} root root of the repository
 * @param {string} parent folder of the copies
 * @param {readonly string[]} names
 */
export function installCopies(root, parent, names) {
  for (const name of names) {
    const copy = join(parent, name, 'node_modules', 'residual')
    mkdirSync(join(copy, 'bindings', 'npm'), { recursive: true })
    for (const path of ['dist', 'package.json', 'bindings/npm/linux-x64-gnu']) {
      cpSync(join(root, path), join(copy, path), { recursive: true })
    }
    const libtorch = 'bindings/npm/libtorch-linux-x64'
    symlinkSync(join(root, libtorch), join(copy, libtorch))
  }
  symlinkSync(join(root, 'node_modules'), join(parent, 'node_modules'))
}
