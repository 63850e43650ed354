// Checks of a run folder after an attack.

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { train, verify } from 'residual'
import { findDifferences, readCheckpoint } from './checkpoint-file.mjs'

/**
 * Returns which of the checkpoints that a run reported are lost or damaged.
 *
 * @param {string} run
 * @param {readonly string[]} checkpoints
 * @returns {Promise<string | undefined>}
 */
export async function findCheckpointProblem(run, checkpoints) {
  const missing = checkpoints.filter((path) => !existsSync(path))
  if (missing.length > 0) return `lost ${missing}`
  if (!existsSync(join(run, 'config.json'))) return undefined
  const { files } = await verify(run)
  const damaged = files.filter(({ status }) => status === 'damaged').map(({ file }) => file)
  const names = damaged.filter((file) => file.endsWith('.safetensors'))
  return names.length > 0 ? `damaged ${names}` : undefined
}

/**
 * Resumes a run, or trains it again if the attack came before its first file, and returns how it
 * differs from an undisturbed run.
 *
 * @param {string} run
 * @param {string} undisturbed
 * @param {import('residual').TrainConfig} config
 * @returns {Promise<string | undefined>}
 */
export async function findResumeProblem(run, undisturbed, config) {
  const isRun = existsSync(join(run, 'config.json'))
  try {
    await train(isRun ? { resume: run } : config)
  } catch (error) {
    const { message } = /** @type {Error} */ (error)
    return `${isRun ? 'resuming' : 'training'} failed: ${message}`
  }
  const left = readdirSync(run, { recursive: true }).filter((name) => `${name}`.endsWith('.tmp'))
  if (left.length > 0) return `left ${left}`
  return findLastCheckpointProblem(run, undisturbed)
}

/**
 * Returns how the last checkpoint differs from that of an undisturbed run. The path of the run
 * folder is part of the configuration, and the time of the position.
 *
 * @param {string} run
 * @param {string} undisturbed
 */
export function findLastCheckpointProblem(run, undisturbed) {
  const [a, b] = [run, undisturbed].map((folder) =>
    readCheckpoint(join(folder, 'checkpoints', 'last.safetensors')),
  )
  const different = findDifferences(a, b, ['residual.progress', 'residual.config'])
  return different.length > 0 ? `other values: ${different.slice(0, 3)}` : undefined
}
