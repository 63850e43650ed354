// One case: ours and its peers, each warmed up, take turns; what comes out is compared.

import { Peer } from './peer.mjs'
import { best, compare, median, spread } from './ratio.mjs'
import { takeTurns } from './rounds.mjs'

/** @typedef {import('./peer.mjs').Program} Program */
/** @typedef {import('./ratio.mjs').Better} Better */
/** @typedef {import('./ratio.mjs').Ratio} Ratio */
/** @typedef {import('./rounds.mjs').Contender} Contender */
/** @typedef {import('./stall.mjs').Slice} Slice */

/**
 * Whom a case compares.
 *
 * @typedef {object} Entry
 * @property {string} key `ours`, `notebook`, `best`, ...
 * @property {string} label for people: `PyTorch, fp32, NCHW, eager`
 */

/** @typedef {{ ours: string, against: string, aim?: number }} Pair keys, and what the ratio should be */

/**
 * What a case gave.
 *
 * @typedef {object} Comparison
 * @property {'comparison'} kind
 * @property {string} unit of the figures
 * @property {Better} better
 * @property {Contestant[]} contestants
 * @property {(Pair & Ratio)[]} pairs
 * @property {string[]} repeated why rounds were played again
 * @property {string} [stalled] why one that counts should have been
 * @property {import('./candidates.mjs').Choice} [choice] the best PyTorch
 * @property {string} [note] what else a reader has to know
 */

/**
 * @typedef {Entry & { figures: number[], median: number, best: number, spread: number, peakMegabytes?: number }} Contestant
 */

/**
 * How a case is played.
 *
 * @typedef {object} Game
 * @property {number} rounds
 * @property {number} repeats
 * @property {number} foreign
 * @property {number} sliceSeconds
 * @property {boolean} compile whether torch.compile is tried
 * @property {(line: string) => void} log
 */

/**
 * Lets processes take turns that stay alive.
 *
 * @param {readonly (Entry & { program: Program })[]} entries
 * @param {readonly Pair[]} pairs
 * @param {Game} game
 * @param {{ most?: number }} [limits] `most`: pieces of work in a slice
 * @returns {Promise<Comparison>} of images a second
 */
export async function contest(entries, pairs, game, { most = Number.MAX_SAFE_INTEGER } = {}) {
  /** @type {Peer[]} */
  const peers = []
  /** @type {(Contender & Entry)[]} */
  const contenders = []
  try {
    for (const { key, label, program } of entries) {
      game.log(`warming up ${label}`)
      const peer = await Peer.start(program)
      peers.push(peer)
      // The first piece allocates; the second tells how many make a slice.
      await peer.ask(1)
      const count = most === 1 ? 1 : Math.min(most, await piecesFor(game.sliceSeconds, peer))
      contenders.push({ key, label, name: key, slice: () => peer.ask(count) })
    }
    const played = await play(contenders, game)
    return summarize(
      contenders.map((entry, i) => ({ ...entry, peakMegabytes: peers[i].peak })),
      pairs,
      played,
      { unit: 'images/s', better: 'higher' },
    )
  } finally {
    await Promise.all(peers.map((peer) => peer.close()))
  }
}

/**
 * @param {number} slice seconds
 * @param {Peer} peer
 */
async function piecesFor(slice, peer) {
  const { seconds } = await peer.ask(1)
  return Math.max(1, Math.round(slice / seconds))
}

/**
 * @param {readonly (Contender & Entry)[]} contenders
 * @param {Game} game
 */
export function play(contenders, { rounds, repeats, foreign, log }) {
  return takeTurns(contenders, {
    rounds,
    repeats,
    foreign,
    onRound: (round) => log(`round ${round} of ${rounds}`),
  })
}

/**
 * @param {readonly (Entry & { peakMegabytes?: number })[]} entries
 * @param {readonly Pair[]} pairs
 * @param {import('./rounds.mjs').Played} played
 * @param {{ unit: string, better: Better }} figure a rate, or the seconds of one thing
 * @returns {Comparison}
 */
export function summarize(entries, pairs, { rounds, repeated, stalled }, { unit, better }) {
  const figure = (/** @type {Slice} */ { items, seconds }) =>
    better === 'higher' ? items / seconds : seconds / items
  const contestants = entries.map(({ key, label, peakMegabytes }) => {
    const figures = rounds.map((round) => figure(round[key]))
    return {
      key,
      label,
      figures,
      median: median(figures),
      best: best(figures, better),
      spread: spread(figures),
      ...(peakMegabytes === undefined ? {} : { peakMegabytes }),
    }
  })
  const figuresOf = (/** @type {string} */ key) =>
    contestants.find((contestant) => contestant.key === key)?.figures ?? []
  return {
    kind: 'comparison',
    unit,
    better,
    contestants,
    pairs: pairs.map((pair) => ({
      ...pair,
      ...compare(figuresOf(pair.ours), figuresOf(pair.against), better),
    })),
    repeated: repeated.map(({ reason }) => reason),
    ...(stalled === undefined ? {} : { stalled }),
  }
}
