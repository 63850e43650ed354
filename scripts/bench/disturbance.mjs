// Detects rounds in which the hypervisor, other processes or the disk slowed a subject. A disturbed
// round is discarded and measured again.

import { median } from './statistics.mjs'

/** @typedef {import('./cpu-load.mjs').Load} Load */

/**
 * Measurement of one subject in one round.
 *
 * @typedef {object} Slice
 * @property {number} items images, or 1 for a single measurement
 * @property {number} seconds measured by the subject itself
 * @property {Load} [load]
 */

/**
 * Slices of all subjects by their name.
 * @typedef {Record<string, Slice>} Round
 */

/** Maximum share of all CPU time that the hypervisor takes during a slice. */
const MAX_STOLEN_SHARE = 0.03
/** Maximum share of all CPU time for other processes, in addition to their usual share. */
const MAX_OTHER_SHARE = 0.1
/** Minimum CPU time per second of wall time, relative to the median of the subject's rounds. */
const MIN_CPU_USE = 0.75
/** Maximum time per item, relative to the median of the subject's rounds. */
const MAX_SLOWDOWN = 1.2
/** Minimum seconds of a slice for meaningful CPU times, whose resolution is 0.01 s. */
const MIN_WALL_SECONDS = 0.3
/** Minimum number of rounds for a meaningful median. */
const MIN_ROUNDS = 3

/**
 * Returns the first disturbed round and its disturbance; undefined if there is none.
 *
 * @param {readonly Round[]} rounds
 * @param {{ otherLoad?: number }} [usual] `otherLoad`: share of the machine that other processes
 *   always use
 * @returns {{ index: number, reason: string } | undefined}
 */
export function findDisturbance(rounds, { otherLoad = 0 } = {}) {
  for (const [index, round] of rounds.entries()) {
    for (const [name, slice] of Object.entries(round)) {
      const reason = loadReason(slice, otherLoad) ?? outlierReason(name, slice, rounds)
      if (reason !== undefined) return { index, reason: `${name}: ${reason}` }
    }
  }
  return undefined
}

/**
 * @param {Slice} slice
 * @param {number} otherLoad
 */
function loadReason({ load }, otherLoad) {
  if (load === undefined || load.wall < MIN_WALL_SECONDS) return undefined
  const share = (/** @type {number} */ seconds) => seconds / (load.wall * load.cpus)
  if (share(load.stolen) > MAX_STOLEN_SHARE) {
    return `the hypervisor took ${percent(share(load.stolen))} of the time`
  }
  if (share(load.other) > otherLoad + MAX_OTHER_SHARE) {
    return `other processes took ${percent(share(load.other))} of the time`
  }
  return undefined
}

/**
 * @param {string} name
 * @param {Slice} slice
 * @param {readonly Round[]} rounds
 */
function outlierReason(name, slice, rounds) {
  if (rounds.length < MIN_ROUNDS) return undefined
  const slices = rounds.map((round) => round[name])
  const slowdown = slice.seconds / slice.items / median(slices.map((s) => s.seconds / s.items))
  if (slowdown > MAX_SLOWDOWN) return `${slowdown.toFixed(2)} times its median time`
  const { load } = slice
  if (load === undefined || load.wall < MIN_WALL_SECONDS) return undefined
  const loads = slices.flatMap(({ load }) => load ?? [])
  const usual = median(loads.map(({ own, wall }) => own / wall))
  if (load.own / load.wall < MIN_CPU_USE * usual) {
    const actual = (load.own / load.wall).toFixed(2)
    return `used ${actual} processors instead of ${usual.toFixed(2)}`
  }
  return undefined
}

/** @param {number} share */
function percent(share) {
  return `${Math.round(100 * share)} %`
}
