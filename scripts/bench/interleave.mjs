// Interleaved measurement: in each round every subject runs one slice, and the order rotates. Machines
// drift, so only ratios within a round are compared.

import { findDisturbance } from './disturbance.mjs'

/** @typedef {import('./disturbance.mjs').Round} Round */
/** @typedef {import('./disturbance.mjs').Slice} Slice */

/** @typedef {{ name: string, slice: () => Promise<Slice> }} Subject */

/**
 * @typedef {object} Options
 * @property {number} rounds number of counted rounds
 * @property {number} repeats maximum number of rounds that are measured again after a disturbance
 * @property {number} [otherLoad] share of the machine that other processes always use
 * @property {(round: number) => void} [onRound]
 */

/**
 * @typedef {object} Measured
 * @property {Round[]} rounds counted rounds
 * @property {{ reason: string, round: Round }[]} repeated discarded rounds, with the reason
 * @property {string | undefined} disturbed why a counted round would have been discarded if repeats
 *   had been left
 */

/**
 * @param {readonly Subject[]} subjects
 * @param {Options} options
 * @returns {Promise<Measured>}
 */
export async function interleave(subjects, { rounds: total, repeats, otherLoad = 0, onRound }) {
  /** @type {Measured} */
  const measured = { rounds: [], repeated: [], disturbed: undefined }
  const { rounds, repeated } = measured
  for (let turn = 0; rounds.length < total; turn++) {
    onRound?.(rounds.length + 1)
    rounds.push(await measureRound(subjects, turn))
    // Every new round changes the medians, so an earlier round may now be an outlier.
    for (;;) {
      const disturbance = findDisturbance(rounds, { otherLoad })
      measured.disturbed = disturbance?.reason
      if (disturbance === undefined || repeated.length >= repeats) break
      const [round] = rounds.splice(disturbance.index, 1)
      repeated.push({ reason: disturbance.reason, round })
    }
  }
  return measured
}

/**
 * @param {readonly Subject[]} subjects
 * @param {number} turn
 */
async function measureRound(subjects, turn) {
  /** @type {Round} */
  const round = {}
  for (let i = 0; i < subjects.length; i++) {
    const { name, slice } = subjects[(i + turn) % subjects.length]
    round[name] = await slice()
  }
  return round
}
