// TensorBoard's own reader of the files that it draws: a small Python environment, made on first
// use, and a program that prints what is in a file.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '../setup/command.mjs'
import { ROOT } from '../setup.mjs'
import { pythonWith } from './python.mjs'

const PROGRAM = fileURLToPath(new URL('scalars.py', import.meta.url))
const REQUIREMENTS = fileURLToPath(new URL('tensorboard.txt', import.meta.url))

/**
 * The scalars of a run folder, by tag, as [step, value].
 *
 * @param {string} folder
 * @returns {Promise<Record<string, [number, number][]>>}
 * @throws {import('../setup/error.mjs').SetupError} where the environment cannot be made
 */
export async function readScalars(folder) {
  const python = await pythonWith({
    what: 'TensorBoard',
    folder: join(ROOT, 'target', 'oracle', 'tensorboard'),
    requirements: await readFile(REQUIREMENTS, 'utf8'),
    imports: ['tensorboard'],
  })
  const { status, stdout, stderr } = await run(python, [PROGRAM, folder])
  if (status !== 0) throw new Error(`scalars.py: ${stderr}`)
  return JSON.parse(stdout)
}
