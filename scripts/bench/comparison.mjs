// Comparison of residual with other implementations. Each implementation runs in its own warmed-up
// process, and the processes take turns.

import { interleave } from './interleave.mjs'
import { best, compare, median, spread } from './statistics.mjs'
import { Worker } from './worker.mjs'

/** @typedef {import('./worker.mjs').Program} Program */
/** @typedef {import('./statistics.mjs').Better} Better */
/** @typedef {import('./statistics.mjs').Ratio} Ratio */
/** @typedef {import('./interleave.mjs').Subject} Subject */
/** @typedef {import('./disturbance.mjs').Slice} Slice */

/**
 * An implementation in a comparison.
 *
 * @typedef {object} Entry
 * @property {string} key `residual`, `pytorch-eager`, `pytorch-best`, ...
 * @property {string} label shown to readers: `PyTorch, fp32, NCHW, eager`
 */

/**
 * Keys of two implementations, and the required ratio of their values.
 * @typedef {{ subject: string, baseline: string, target?: number }} Pair
 */

/**
 * The result of a case.
 *
 * @typedef {object} Comparison
 * @property {'comparison'} kind
 * @property {string} unit unit of the values
 * @property {Better} better
 * @property {Implementation[]} implementations
 * @property {(Pair & Ratio)[]} pairs
 * @property {string[]} repeated disturbances of the rounds that were measured again
 * @property {string} [disturbed] disturbance of a counted round that was not measured again
 * @property {import('./pytorch-configs.mjs').Choice} [choice] the fastest PyTorch configuration
 * @property {string} [note] further information for readers
 */

/**
 * @typedef {object} Result
 * @property {number[]} values one per round
 * @property {number} median
 * @property {number} best
 * @property {number} spread
 * @property {number} [peakMegabytes]
 */

/** @typedef {Entry & Result} Implementation */

/**
 * @typedef {object} Settings
 * @property {number} rounds
 * @property {number} repeats maximum number of rounds that are measured again
 * @property {number} otherLoad share of all CPU time that other processes use
 * @property {number} sliceSeconds
 * @property {boolean} compile whether torch.compile is tried
 * @property {(line: string) => void} log
 */

/**
 * Compares the throughput of programs in images per second.
 *
 * @param {readonly (Entry & { program: Program })[]} entries
 * @param {readonly Pair[]} pairs
 * @param {Settings} settings
 * @param {{ maxCount?: number }} [limits] `maxCount`: maximum units of work per slice
 * @returns {Promise<Comparison>}
 */
export async function compareThroughput(
  entries,
  pairs,
  settings,
  { maxCount = Number.MAX_SAFE_INTEGER } = {},
) {
  /** @type {Worker[]} */
  const workers = []
  /** @type {(Subject & Entry)[]} */
  const subjects = []
  try {
    for (const { key, label, program } of entries) {
      settings.log(`warming up ${label}`)
      const worker = await Worker.start(program)
      workers.push(worker)
      // The first unit allocates memory; the time of the second determines the units per slice.
      await worker.run(1)
      const count =
        maxCount === 1 ? 1 : Math.min(maxCount, await unitsPerSlice(settings.sliceSeconds, worker))
      subjects.push({ key, label, name: key, slice: () => worker.run(count) })
    }
    const measured = await measureRounds(subjects, settings)
    return summarize(
      subjects.map((entry, i) => ({ ...entry, peakMegabytes: workers[i].peakMegabytes })),
      pairs,
      measured,
      { unit: 'images/s', better: 'higher' },
    )
  } finally {
    await Promise.all(workers.map((worker) => worker.close()))
  }
}

/**
 * @param {number} sliceSeconds
 * @param {Worker} worker
 */
async function unitsPerSlice(sliceSeconds, worker) {
  const { seconds } = await worker.run(1)
  return Math.max(1, Math.round(sliceSeconds / seconds))
}

/**
 * @param {readonly (Subject & Entry)[]} subjects
 * @param {Settings} settings
 */
export function measureRounds(subjects, { rounds, repeats, otherLoad, log }) {
  return interleave(subjects, {
    rounds,
    repeats,
    otherLoad,
    onRound: (round) => log(`round ${round} of ${rounds}`),
  })
}

/**
 * @param {readonly (Entry & { peakMegabytes?: number })[]} entries
 * @param {readonly Pair[]} pairs
 * @param {import('./interleave.mjs').Measured} measured
 * @param {{ unit: string, better: Better }} measure a rate, or the seconds of one unit of work
 * @returns {Comparison}
 */
export function summarize(entries, pairs, { rounds, repeated, disturbed }, { unit, better }) {
  const toValue = (/** @type {Slice} */ { items, seconds }) =>
    better === 'higher' ? items / seconds : seconds / items
  const implementations = entries.map(({ key, label, peakMegabytes }) => {
    const values = rounds.map((round) => toValue(round[key]))
    return {
      key,
      label,
      values,
      median: median(values),
      best: best(values, better),
      spread: spread(values),
      ...(peakMegabytes === undefined ? {} : { peakMegabytes }),
    }
  })
  const valuesOf = (/** @type {string} */ key) =>
    implementations.find((implementation) => implementation.key === key)?.values ?? []
  return {
    kind: 'comparison',
    unit,
    better,
    implementations,
    pairs: pairs.map((pair) => ({
      ...pair,
      ...compare(valuesOf(pair.subject), valuesOf(pair.baseline), better),
    })),
    repeated: repeated.map(({ reason }) => reason),
    ...(disturbed === undefined ? {} : { disturbed }),
  }
}
