// Reads event files with TensorBoard's own reader, in a Python environment that is created on first
// use.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '../setup/command.mjs'
import { ROOT } from '../setup.mjs'
import { pythonEnvironment } from './python.mjs'

const PROGRAM = fileURLToPath(new URL('scalars.py', import.meta.url))
const REQUIREMENTS = fileURLToPath(new URL('tensorboard.txt', import.meta.url))

/**
 * Returns the scalars of a run folder: for each tag, pairs of step and value.
 *
 * @param {string} folder
 * @returns {Promise<Record<string, [number, number][]>>}
 * @throws {import('../setup/error.mjs').SetupError} if the environment cannot be created
 */
export async function readScalars(folder) {
  const python = await pythonEnvironment({
    title: 'TensorBoard',
    folder: join(ROOT, 'target', 'oracle', 'tensorboard'),
    requirements: await readFile(REQUIREMENTS, 'utf8'),
    imports: ['tensorboard'],
  })
  const { status, stdout, stderr } = await run(python, [PROGRAM, folder])
  if (status !== 0) throw new Error(`scalars.py: ${stderr}`)
  return JSON.parse(stdout)
}
