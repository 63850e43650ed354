// Disturbs the folder of a run while it trains. The folder of the runs is the first argument, that of
// the data the second. Requests name a disturbance.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { train } from 'residual'
import { answerRequests } from '../child.mjs'
import {
  findCheckpointProblem,
  findLastCheckpointProblem,
  findResumeProblem,
} from '../run/check-run.mjs'
import { tinyConfig } from '../tiny-data.mjs'

const [, , folder, data] = process.argv
const RUN = join(folder, 'run')
const MOVED = join(folder, 'moved', 'run')
const FINISHED = join(folder, 'finished')
const CHECKPOINTS = join(RUN, 'checkpoints')

/** @param {string} out */
const config = (out) => tinyConfig(data, out, { epochs: 4, checkpoint: { everySteps: 4 } })

/** @param {string[]} args */
function mount(...args) {
  const { status, stderr } = spawnSync('mount', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`mount: ${stderr}`)
}

/** Makes a folder read-only for everyone, also for root. */
function makeReadOnly(/** @type {string} */ path) {
  mount('--bind', path, path)
  mount('-o', 'remount,bind,ro', path)
}

/**
 * Disturbances by name. `undo` reverts a disturbance, and `run` is the folder in which the run is
 * resumed: undefined if its files are gone.
 *
 * @type {Record<string, { apply: () => void, undo?: () => void, run?: string }>}
 */
const DISTURBANCES = {
  none: { apply() {}, run: RUN },
  'folder removed': { apply: () => rmSync(RUN, { recursive: true }) },
  'folder moved': {
    apply() {
      mkdirSync(join(folder, 'moved'), { recursive: true })
      renameSync(RUN, MOVED)
    },
    run: MOVED,
  },
  'folder replaced by a file': {
    apply() {
      mkdirSync(join(folder, 'moved'), { recursive: true })
      renameSync(RUN, MOVED)
      writeFileSync(RUN, 'mine')
    },
    undo: () => rmSync(RUN),
    run: MOVED,
  },
  'folder replaced by another run': {
    apply() {
      mkdirSync(join(folder, 'moved'), { recursive: true })
      renameSync(RUN, MOVED)
      mkdirSync(RUN)
      writeFileSync(join(RUN, 'thesis.tex'), 'mine')
    },
    run: MOVED,
  },
  'checkpoints removed': { apply: () => rmSync(CHECKPOINTS, { recursive: true }), run: RUN },
  'checkpoints read-only': {
    apply: () => makeReadOnly(CHECKPOINTS),
    undo: () => void spawnSync('umount', [CHECKPOINTS]),
    run: RUN,
  },
  'folder read-only': {
    apply: () => makeReadOnly(RUN),
    undo: () => void spawnSync('umount', [RUN]),
    run: RUN,
  },
  'metrics removed': { apply: () => rmSync(join(RUN, 'metrics.jsonl')), run: RUN },
}

/**
 * Trains a run that is disturbed after an epoch, then undoes the disturbance and resumes the run.
 *
 * @param {{ name: string, epoch: number }} request
 */
async function disturb({ name, epoch }) {
  for (const path of [RUN, join(folder, 'moved')]) rmSync(path, { recursive: true, force: true })
  const { apply, undo, run } = DISTURBANCES[name]
  /** @type {{ code?: string, message: string, file?: string } | undefined} */
  let error
  try {
    await train(config(RUN), {
      onEpoch: (event) => void (event.epoch === epoch && apply()),
    })
  } catch (cause) {
    const { code, message, at } = /** @type {import('residual').ResidualError} */ (cause)
    error = { code, message, file: at?.file }
  }
  const isForeign = existsSync(join(RUN, 'thesis.tex')) && readdirSync(RUN).length > 1
  undo?.()
  if (isForeign) return { error, problem: `writes to a folder of others: ${readdirSync(RUN)}` }
  if (run === undefined) return { error, problem: existsSync(RUN) ? 'folder is back' : undefined }
  const damaged = await findCheckpointProblem(run, [])
  if (damaged !== undefined) return { error, problem: damaged }
  if (error === undefined) return { error, problem: findLastCheckpointProblem(run, FINISHED) }
  return { error, problem: await findResumeProblem(run, FINISHED, config(run)) }
}

/** Trains to a folder that cannot be written from the start. */
async function startReadOnly() {
  const out = join(folder, 'read-only')
  mkdirSync(out, { recursive: true })
  makeReadOnly(out)
  try {
    await train(config(join(out, 'run')))
    return { problem: 'no error' }
  } catch (cause) {
    const { code, message, at } = /** @type {import('residual').ResidualError} */ (cause)
    return { error: { code, message, file: at?.file } }
  } finally {
    spawnSync('umount', [out])
  }
}

await answerRequests(async (request) => {
  if (request.call === 'list') {
    await train(config(FINISHED))
    return Object.keys(DISTURBANCES)
  }
  if (request.call === 'read-only') return startReadOnly()
  return disturb(request)
})
