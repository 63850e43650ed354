// Finds out what a killed run was doing, from its folder and the last event that it printed.

import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { readCheckpoint } from './checkpoint-file.mjs'
import { readEvents } from './run-comparison.mjs'

/** Places at which a kill can hit a run, in their order. */
export const PLACES = /** @type {const} */ ([
  'start-up',
  'step',
  'checkpoint write',
  'before the rename of a checkpoint',
  'after the rename of a checkpoint',
  'evaluation',
  'report',
  'exit',
])

/** @typedef {(typeof PLACES)[number]} Place */

/**
 * Bytes by which the sizes of the checkpoints of a run differ, because of the digits of numbers.
 */
const SIZE_DIFFERENCE = 256

/**
 * Returns the place at which a kill hit a run.
 *
 * @param {string} run
 * @param {object} session
 * @param {Record<string, any> | undefined} session.printed last event that the process printed
 * @param {Record<string, number>} session.stepsBefore result of `readCheckpointSteps` before the process started
 * @param {number} session.totalSteps steps of a complete run
 * @returns {Place}
 */
export function findKillPlace(run, { printed, stepsBefore, totalSteps }) {
  if (printed === undefined) return 'start-up'
  if (printed.type === 'end') return 'exit'
  if (existsSync(join(run, 'result.json'))) return 'report'
  const written = measureTemporaryFile(join(run, 'checkpoints'))
  if (written !== undefined) {
    return written === 'whole' ? 'before the rename of a checkpoint' : 'checkpoint write'
  }
  const events = readEvents(run)
  const isLogged = (/** @type {string} */ name, /** @type {number} */ step) =>
    events.some(
      (event) => event.type === 'checkpoint' && event.path.endsWith(name) && event.step === step,
    )
  const isRenamed = Object.entries(readCheckpointSteps(run)).some(
    ([name, step]) => step !== stepsBefore[name] && !isLogged(name, step),
  )
  if (isRenamed) return 'after the rename of a checkpoint'
  const last = events.at(-1) ?? printed
  if (last.type === 'epoch') return 'checkpoint write'
  if (last.type === 'step' && last.stepInEpoch === last.stepsPerEpoch) return 'evaluation'
  return last.type === 'checkpoint' && last.step === totalSteps ? 'evaluation' : 'step'
}

/**
 * Returns how much of a checkpoint the process had written to a temporary file; undefined without
 * such a file.
 *
 * @param {string} folder
 * @returns {'whole' | 'part' | undefined}
 */
function measureTemporaryFile(folder) {
  const names = existsSync(folder) ? readdirSync(folder) : []
  const temporary = names.find((name) => name.startsWith('.residual-'))
  if (temporary === undefined) return undefined
  const complete = names.find((name) => name.endsWith('.safetensors'))
  if (complete === undefined) return 'part'
  const [size, completeSize] = [temporary, complete].map(
    (name) => statSync(join(folder, name)).size,
  )
  return size > completeSize - SIZE_DIFFERENCE ? 'whole' : 'part'
}

/**
 * Returns the number of steps of each checkpoint of a run.
 *
 * @param {string} run
 * @returns {Record<string, number>}
 */
export function readCheckpointSteps(run) {
  const folder = join(run, 'checkpoints')
  const names = existsSync(folder) ? readdirSync(folder) : []
  const steps = names
    .filter((name) => name.endsWith('.safetensors'))
    .map((name) => {
      const { metadata } = readCheckpoint(join(folder, name))
      return [name, JSON.parse(metadata['residual.progress']).step]
    })
  return Object.fromEntries(steps)
}
