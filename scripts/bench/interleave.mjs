// Interleaved measurement: in each round every subject runs one slice, in a rotating order. The
// speed of a machine changes over time, so only values of the same round are compared.

import { findDisturbance } from './disturbance.mjs'

/** @typedef {import('./disturbance.mjs').Round} Round */
/** @typedef {import('./disturbance.mjs').Slice} Slice */

/**
 * A measured implementation; `slice` runs and measures one slice.
 * @typedef {{ name: string, slice: () => Promise<Slice> }} Subject
 */

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
 * @property {string | undefined} disturbed disturbance of a counted round that was not repeated,
 *   because the maximum number of repeats was reached
 */

/**
 * Measures rounds, and repeats rounds that were disturbed.
 *
 * @param {readonly Subject[]} subjects
 * @param {Options} options
 * @returns {Promise<Measured>}
 */
export async function interleave(subjects, { rounds: total, repeats, otherLoad = 0, onRound }) {
  /** @type {Measured} */
  const measured = { rounds: [], repeated: [], disturbed: undefined }
  const { rounds, repeated } = measured
  for (let rotation = 0; rounds.length < total; rotation++) {
    onRound?.(rounds.length + 1)
    rounds.push(await measureRound(subjects, rotation))
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
 * @param {number} rotation
 */
async function measureRound(subjects, rotation) {
  /** @type {Round} */
  const round = {}
  for (let i = 0; i < subjects.length; i++) {
    const { name, slice } = subjects[(i + rotation) % subjects.length]
    round[name] = await slice()
  }
  return round
}
