// Machines stall for seconds at a time: their hypervisor, their neighbours, their disks. A round in
// which one did says nothing of the contenders, so it is played again, and counted.

import { median } from './ratio.mjs'

/** @typedef {import('./load.mjs').Load} Load */

/**
 * What one contender did in one round.
 *
 * @typedef {object} Slice
 * @property {number} items images, or 1 for something done once
 * @property {number} seconds as the contender itself measured
 * @property {Load} [load]
 */

/**
 * Every contender's slice, by name.
 * @typedef {Record<string, Slice>} Round
 */

/** Of all processor time while the slice lasted. */
const STOLEN = 0.03
const FOREIGN = 0.1
/** Of the processor time a second that the contender uses in its other rounds. */
const OWN = 0.75
/** As slow as this, compared with the contender's other rounds. */
const SLOWER = 1.2
/** Short slices are counted too coarsely, in hundredths of a second. */
const SHORTEST = 0.3
/** With fewer rounds a median says too little. */
const ROUNDS = 3

/**
 * The first round that the machine spoilt, and how.
 *
 * @param {readonly Round[]} rounds
 * @param {{ foreign?: number }} [usual] `foreign`: the share of the machine that others use all the
 *   time
 * @returns {{ index: number, reason: string } | undefined}
 */
export function findStall(rounds, { foreign = 0 } = {}) {
  for (const [index, round] of rounds.entries()) {
    for (const [name, slice] of Object.entries(round)) {
      const reason = disturbance(slice, foreign) ?? outlier(name, slice, rounds)
      if (reason !== undefined) return { index, reason: `${name}: ${reason}` }
    }
  }
  return undefined
}

/**
 * @param {Slice} slice
 * @param {number} foreign
 */
function disturbance({ load }, foreign) {
  if (load === undefined || load.wall < SHORTEST) return undefined
  const share = (/** @type {number} */ seconds) => seconds / (load.wall * load.cpus)
  if (share(load.stolen) > STOLEN) {
    return `the hypervisor took ${percent(share(load.stolen))} of the time`
  }
  if (share(load.foreign) > foreign + FOREIGN) {
    return `other programs took ${percent(share(load.foreign))} of the time`
  }
  return undefined
}

/**
 * @param {string} name
 * @param {Slice} slice
 * @param {readonly Round[]} rounds
 */
function outlier(name, slice, rounds) {
  if (rounds.length < ROUNDS) return undefined
  const each = rounds.map((round) => round[name])
  const slowness = slice.seconds / slice.items / median(each.map((s) => s.seconds / s.items))
  if (slowness > SLOWER) return `${slowness.toFixed(2)} times as slow as its median`
  const { load } = slice
  if (load === undefined || load.wall < SHORTEST) return undefined
  const loads = each.flatMap((other) => other.load ?? [])
  const usual = median(loads.map(({ own, wall }) => own / wall))
  if (load.own / load.wall < OWN * usual) {
    const found = (load.own / load.wall).toFixed(2)
    return `it ran on ${found} processors, usually on ${usual.toFixed(2)}`
  }
  return undefined
}

/** @param {number} share */
function percent(share) {
  return `${Math.round(100 * share)} %`
}
