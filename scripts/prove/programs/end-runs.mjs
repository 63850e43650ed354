// Ends runs in unusual ways, on request. A request is { "call": NAME, ... }; the response is the
// problem, a sentence, or null.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { loadModel, train } from 'residual'
import { answerRequests } from '../child.mjs'
import { findDifferences, readCheckpoint } from '../run/checkpoint-file.mjs'
import { arraySplit, pixels } from '../tiny-data.mjs'

/** @typedef {import('residual').TrainOptions} TrainOptions */

const [, , folder] = process.argv
const arrays = { train: arraySplit(48) }
/** Time in which a run must end, in ms; generous, because other programs may use the processor. */
const END_LIMIT = 60_000

/**
 * @param {number} epochs
 * @param {string} [name]
 * @returns {import('residual').TrainConfig}
 */
const config = (epochs, name = 'run') => ({
  ...{ model: 'plain8', epochs, batchSize: 12, precision: 'fp32', threads: 1, workers: 1 },
  ...{ data: { validation: 0 }, seed: 1, out: join(folder, name), overwrite: true },
})

/**
 * Returns how a run ended: the reason, the error, or `pending`.
 *
 * @param {PromiseLike<{ stopReason: string }>} run
 */
async function waitForEnd(run) {
  const pending = setTimeout(END_LIMIT, 'pending', { ref: false })
  const ended = run.then(
    ({ stopReason }) => stopReason,
    (error) => error,
  )
  return await Promise.race([ended, pending])
}

/** Moments at which runs are aborted. */
const MOMENTS = ['before', 'at once', 'delay', 'step', 'epoch', 'checkpoint']

/**
 * Aborts a run.
 *
 * @param {{ moment: string, after: number, isAborted: boolean }} request `after`: ms or steps;
 *   `isAborted` is false for the negative control
 */
async function abortRun({ moment, after, isAborted }) {
  const controller = new AbortController()
  const abort = () => {
    if (isAborted) controller.abort()
  }
  if (moment === 'before') abort()
  const run = train(config(isAborted ? 100_000 : 3), {
    arrays,
    signal: controller.signal,
    onStep: ({ step }) => void (moment === 'step' && step >= after && abort()),
    onEpoch: () => void (moment === 'epoch' && abort()),
    onCheckpoint: () => void (moment === 'checkpoint' && abort()),
  })
  if (moment === 'at once') abort()
  if (moment === 'delay') setTimeout(after).then(abort)
  const error = await waitForEnd(run)
  if (error?.name !== 'AbortError') return `the run ended with ${error?.message ?? error}`
  if (error.checkpoint !== undefined && !existsSync(error.checkpoint)) return 'no checkpoint'
  if (['step', 'epoch', 'checkpoint'].includes(moment) && error.checkpoint === undefined) {
    return 'the error names no checkpoint'
  }
  return null
}

const mine = new RangeError('mine')
const never = () => new Promise(() => {})
const nested = () => train(config(1, 'nested'), { arrays })

/**
 * Hooks by behavior, each with the possible ends of its run: `mine` is the error of the hook.
 *
 * @type {Record<string, { hook: () => any, end: readonly string[], stops?: boolean }>}
 */
const HOOKS = {
  'throws an error': {
    hook: () => {
      throw mine
    },
    end: ['mine'],
  },
  'throws undefined': {
    hook: () => {
      throw undefined
    },
    end: ['undefined'],
  },
  rejects: { hook: () => Promise.reject(mine), end: ['mine'] },
  'rejects later': { hook: () => setTimeout(20).then(() => Promise.reject(mine)), end: ['mine'] },
  'never settles': { hook: never, end: ['stopped', 'completed'], stops: true },
  'awaits another run': { hook: nested, end: ['E_USAGE', 'completed'] },
  'starts another run': { hook: () => void nested(), end: ['completed'] },
  'returns a thenable that throws': { hook: () => thenable(throwMine), end: ['mine'] },
  'returns a thenable that rejects': {
    hook: () => thenable((_, reject) => reject(mine)),
    end: ['mine'],
  },
  'returns a thenable that settles twice': {
    hook: () =>
      thenable((resolve, reject) => {
        resolve()
        reject(mine)
        resolve()
      }),
    end: ['completed'],
  },
  'returns an object whose then throws': {
    hook: () => Object.defineProperty({}, 'then', { get: throwMine }),
    end: ['mine'],
  },
  'returns values of wrong types': { hook: () => ({ stop: true }), end: ['completed', 'E_USAGE'] },
}

function throwMine() {
  throw mine
}

/** @param {(resolve: () => void, reject: (error: unknown) => void) => void} then */
function thenable(then) {
  return { then }
}

/**
 * Trains with a hook that misbehaves, then without one.
 *
 * @param {{ event: keyof TrainOptions, behavior: string }} request
 */
async function attackHook({ event, behavior }) {
  const { hook, end, stops = false } = HOOKS[behavior]
  const run = train(config(2), { arrays, [event]: hook })
  if (stops) setTimeout(300).then(() => run.stop())
  const ended = await waitForEnd(run)
  const name = ended === mine ? 'mine' : (ended?.code ?? `${ended}`)
  if (!end.includes(name)) return `the run ended with ${ended?.message ?? name}`
  const next = await waitForEnd(train(config(1, 'next'), { arrays }))
  return next === 'completed' ? null : `the next run ended with ${next?.message ?? next}`
}

/** Predicts 20 images at a time while a run trains; neither must change the other. */
async function predictWhileTraining() {
  const image = { data: pixels(1), width: 8, height: 8, channels: /** @type {const} */ (1) }
  const alone = await train(config(40, 'alone'), { arrays })
  const model = await loadModel(alone.last)
  const [{ probability }] = await model.predict([image])
  const run = train(config(40, 'accompanied'), { arrays })
  const state = { isTraining: true, count: 0, wrong: 0 }
  const predicting = Promise.all(
    Array.from({ length: 20 }, async () => {
      while (state.isTraining) {
        const [prediction] = await model.predict([image])
        state.count++
        // A batch of another size is computed in another order.
        if (Math.abs(prediction.probability - probability) > 1e-5) state.wrong++
      }
    }),
  )
  const ended = await waitForEnd(run)
  state.isTraining = false
  await predicting
  await model.close()
  if (ended !== 'completed') return `the run ended with ${ended?.message ?? ended}`
  if (state.wrong > 0) return `${state.wrong} of ${state.count} predictions differ`
  if (state.count < 20) return `only ${state.count} predictions during the run`
  const last = (/** @type {string} */ name) =>
    readCheckpoint(join(folder, name, 'checkpoints', 'last.safetensors'))
  const different = findDifferences(last('alone'), last('accompanied'), [
    'residual.progress',
    'residual.config',
  ])
  return different.length === 0 ? null : `other tensors: ${different.slice(0, 3)}`
}

/**
 * Exits in a hook. There is no response.
 *
 * @param {{ event: keyof TrainOptions }} request
 */
async function exitInHook({ event }) {
  await train(config(3, 'exit'), { arrays, [event]: () => process.exit(7) })
  return 'the process did not exit'
}

await answerRequests((request) => {
  if (request.call === 'list') return { moments: MOMENTS, behaviors: Object.keys(HOOKS) }
  if (request.call === 'abort') return abortRun(request)
  if (request.call === 'hook') return attackHook(request)
  if (request.call === 'exit') return exitInHook(request)
  return predictWhileTraining()
})
