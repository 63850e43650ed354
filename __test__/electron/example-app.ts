/** The example application, installed with this package in a folder of its own. */
import { cpSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../child.js'

/** Source of the example. */
export const EXAMPLE = join(ROOT, 'examples', 'electron')

/** Copies the example to a folder in which it finds this package. Returns its path. */
export function installExample(parent: string): string {
  const folder = join(parent, 'app')
  rmSync(folder, { recursive: true, force: true })
  cpSync(EXAMPLE, folder, { recursive: true })
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(ROOT, join(folder, 'node_modules', 'residual'))
  return folder
}
