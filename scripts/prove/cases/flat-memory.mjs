import { Child, programPath } from '../child.mjs'
import { findExitProblem, Outcomes } from '../outcomes.mjs'

/** @typedef {import('../case.mjs').Context} Context */
/** @typedef {{ megabytes: number, threads: number, files: number }} Sample */

/**
 * Growth that is accepted in the second half of the time. Memory fluctuates by the free blocks of the
 * allocator and the JavaScript heap.
 */
const TOLERANCE = { megabytes: 24, threads: 1, files: 1 }
const UNITS = { megabytes: 'resident memory', threads: 'threads', files: 'open files' }
const GC_RUNS = 60
const CONTROL_SECONDS = 20

/** @type {import('../case.mjs').Case} */
export const flatMemory = {
  name: 'flat-memory',
  title: 'Runs, models and evaluations leave no memory, thread or open file behind.',
  attack:
    'One process trains and ends runs (completed, stopped, aborted, failed in a hook), predicts ' +
    'and evaluates for a minute (`--minutes 10` for ten). Resident memory, threads and open files ' +
    'are measured ten times; in the second half, the highest value may exceed the highest of the ' +
    'first half, without the first tenth, by 24 MB, one thread and one file. 60 runs with arrays ' +
    'of 2.3 MB and their hooks must all be garbage-collected. A run to which nothing refers, with ' +
    'a garbage collection at every event, must end with the same tensors.',
  limits:
    'Memory that libtorch and malloc keep for reuse after the first runs is not returned to the ' +
    'system. A longer run of the case detects smaller leaks.',
  test: '__test__/run/memory.test.ts',
  usesMinutes: true,
  timeoutSeconds: 3600,
  prove,
}

/** @param {Context} context */
async function prove(context) {
  const outcomes = new Outcomes(context.log)
  const seconds = Math.max(10, 60 * context.minutes * (context.attempts(100) / 100))
  const { count, samples } = await cycle(context, outcomes, seconds)
  for (const key of KEYS) outcomes.add('cycles', UNITS[key], findGrowth(samples, key))

  const child = start(context)
  const runs = context.attempts(GC_RUNS)
  const { objects, alive } = await child.request({ call: 'collect', runs, isKept: false })
  for (let index = 0; index < objects; index++) {
    const problem = index < alive ? 'is still reachable' : undefined
    outcomes.add('objects of runs that are collected', `${index}`, problem)
  }
  for (let index = 0; index < context.attempts(10); index++) {
    const different = await child.request({ call: 'during' })
    const problem = different.length > 0 ? `other values: ${different.slice(0, 3)}` : undefined
    outcomes.add('garbage collection during a run', `${index}`, problem)
  }
  outcomes.add('processes', 'end', findExitProblem(await child.close()))
  const control = await runControl(context)
  const [, first] = samples
  const last = /** @type {Sample} */ (samples.at(-1))
  return outcomes.toResult(control, [
    { label: 'time of the cycles', value: seconds, unit: 's' },
    { label: 'runs', value: count },
    ...KEYS.map((key) => ({
      label: `${UNITS[key]} after a fifth and at the end`,
      value: `${Math.round(first[key])}, ${Math.round(last[key])}`,
      unit: key === 'megabytes' ? 'MB' : '',
    })),
  ])
}

const KEYS = /** @type {(keyof Sample)[]} */ (Object.keys(TOLERANCE))

/** @param {Context} context */
function start({ folder }) {
  const program = programPath('cycle-runs.mjs')
  return Child.node(['--expose-gc', program, folder], { timeoutSeconds: 3000 })
}

/**
 * @param {Context} context
 * @param {Outcomes} outcomes
 * @param {number} seconds
 * @returns {Promise<{ count: number, samples: Sample[] }>}
 */
async function cycle(context, outcomes, seconds) {
  const child = start(context)
  const measured = await child.request({ call: 'cycle', seconds })
  outcomes.add('processes', 'end', findExitProblem(await child.close()))
  return measured
}

/**
 * Returns how much a value grew in the second half; undefined if it is flat.
 *
 * @param {readonly Sample[]} samples
 * @param {keyof Sample} key
 */
function findGrowth(samples, key) {
  const highest = (/** @type {readonly Sample[]} */ part) =>
    Math.max(...part.map((sample) => sample[key]))
  const growth = highest(samples.slice(5)) - highest(samples.slice(1, 5))
  return growth > TOLERANCE[key] ? `${UNITS[key]} grew by ${growth}` : undefined
}

/**
 * Applies the comparisons to deliberate leaks: 1 MB or one file per run, and runs that a program keeps.
 *
 * @param {Context} context
 * @returns {Promise<import('../case.mjs').Control>}
 */
async function runControl(context) {
  const problems = []
  for (const key of /** @type {const} */ (['megabytes', 'files'])) {
    const child = start(context)
    const request = { call: 'cycle', seconds: CONTROL_SECONDS, leak: key }
    const { samples } = await child.request(request)
    problems.push(findGrowth(samples, key))
    await child.close()
  }
  const child = start(context)
  const { alive } = await child.request({ call: 'collect', runs: 2, isKept: true })
  problems.push(alive > 0 ? 'reachable' : undefined)
  await child.close()
  return {
    fault: 'a leak of 1 MB or one file per run, and runs that the program keeps',
    attempts: problems.length,
    detected: problems.filter((problem) => problem !== undefined).length,
  }
}
