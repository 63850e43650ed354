// Contenders take turns, a slice each, in an order that turns round with every round: machines
// drift, and what is compared is the ratio within a round.

import { findStall } from './stall.mjs'

/** @typedef {import('./stall.mjs').Round} Round */
/** @typedef {import('./stall.mjs').Slice} Slice */

/** @typedef {{ name: string, slice: () => Promise<Slice> }} Contender */

/**
 * @typedef {object} Rules
 * @property {number} rounds that count
 * @property {number} repeats rounds played again because the machine stalled, at most
 * @property {number} [foreign] the share of the machine that other programs use all the time
 * @property {(round: number) => void} [onRound]
 */

/**
 * @typedef {object} Played
 * @property {Round[]} rounds that count
 * @property {{ reason: string, round: Round }[]} repeated those that do not, and why
 * @property {string | undefined} stalled why one of those that count would have been repeated,
 *   if repeats had been left
 */

/**
 * @param {readonly Contender[]} contenders
 * @param {Rules} rules
 * @returns {Promise<Played>}
 */
export async function takeTurns(contenders, { rounds: wanted, repeats, foreign = 0, onRound }) {
  /** @type {Played} */
  const played = { rounds: [], repeated: [], stalled: undefined }
  const { rounds, repeated } = played
  for (let turn = 0; rounds.length < wanted; turn++) {
    onRound?.(rounds.length + 1)
    rounds.push(await playRound(contenders, turn))
    // A new round moves the medians, so that an old one may turn out to have stalled.
    for (;;) {
      const stall = findStall(rounds, { foreign })
      played.stalled = stall?.reason
      if (stall === undefined || repeated.length >= repeats) break
      const [round] = rounds.splice(stall.index, 1)
      repeated.push({ reason: stall.reason, round })
    }
  }
  return played
}

/**
 * @param {readonly Contender[]} contenders
 * @param {number} turn
 */
async function playRound(contenders, turn) {
  /** @type {Round} */
  const round = {}
  for (let i = 0; i < contenders.length; i++) {
    const { name, slice } = contenders[(i + turn) % contenders.length]
    round[name] = await slice()
  }
  return round
}
