import test from 'ava'
import { parsePeak, parseProcess, parseStat } from '../../scripts/bench/load.mjs'
import { takeTurns } from '../../scripts/bench/rounds.mjs'
import { findStall } from '../../scripts/bench/stall.mjs'

/** @typedef {import('../../scripts/bench/load.mjs').Load} Load */
/** @typedef {import('../../scripts/bench/stall.mjs').Slice} Slice */

/**
 * A slice of two seconds on two processors, both of them used.
 *
 * @param {number} [seconds]
 * @param {Partial<Load>} [load]
 * @returns {Slice}
 */
const slice = (seconds = 2, load) => ({
  items: 100,
  seconds,
  load: { wall: 2, own: 4, foreign: 0, stolen: 0, cpus: 2, ...load },
})

/** @param {readonly Slice[]} slices of one contender, by rounds */
const rounds = (...slices) => slices.map((ours) => ({ ours, theirs: slice() }))

test('rounds that are like each other have not stalled', (t) => {
  t.is(findStall(rounds(slice(2), slice(2.1), slice(1.9), slice(2.3))), undefined)
})

test('time that the hypervisor took is a stall, in the first round too', (t) => {
  const stall = findStall(rounds(slice(2, { stolen: 0.2 })))
  t.deepEqual(stall, { index: 0, reason: 'ours: the hypervisor took 5 % of the time' })
})

test('other programs are a stall, unless they are there all the time', (t) => {
  const busy = rounds(slice(), slice(2, { foreign: 0.8 }))
  t.deepEqual(findStall(busy), { index: 1, reason: 'ours: other programs took 20 % of the time' })
  t.is(findStall(busy, { foreign: 0.15 }), undefined)
})

test('a round far slower than the median is a stall, wherever it comes; a faster one is not', (t) => {
  t.is(findStall(rounds(slice(2), slice(3))), undefined, 'two rounds have no median to speak of')
  t.is(findStall(rounds(slice(2), slice(2), slice(3)))?.index, 2)
  t.is(findStall(rounds(slice(3), slice(2), slice(2)))?.index, 0)
  t.is(findStall(rounds(slice(2), slice(2), slice(1.5))), undefined)
})

test('figures are compared for each item, for slices may differ in length', (t) => {
  const longer = { ...slice(4), items: 200 }
  t.is(findStall(rounds(slice(), slice(), longer)), undefined)
})

test('a contender that got less of the processors than usual has stalled', (t) => {
  const stall = findStall(rounds(slice(), slice(), slice(2, { own: 2.4 })))
  t.deepEqual(stall, {
    index: 2,
    reason: 'ours: it ran on 1.20 processors, usually on 2.00',
  })
})

test('a stalled round is played again and counted, by all contenders', async (t) => {
  const played = { ours: 0, theirs: 0 }
  const result = await takeTurns(
    [
      { name: 'ours', slice: async () => slice(++played.ours === 3 ? 5 : 2) },
      { name: 'theirs', slice: async () => slice(++played.theirs > 0 ? 2 : 0) },
    ],
    { rounds: 5, repeats: 3 },
  )
  t.is(result.rounds.length, 5)
  t.true(result.rounds.every((round) => round.ours.seconds === 2))
  t.deepEqual(played, { ours: 6, theirs: 6 })
  t.deepEqual(
    result.repeated.map(({ reason }) => reason),
    ['ours: 2.50 times as slow as its median'],
  )
  t.is(result.stalled, undefined)
})

test('a machine that stalls for ever ends the repeats, and is told on', async (t) => {
  const contender = { name: 'ours', slice: async () => slice(2, { stolen: 1 }) }
  const result = await takeTurns([contender], { rounds: 2, repeats: 3 })
  t.is(result.rounds.length, 2)
  t.is(result.repeated.length, 3)
  t.regex(result.stalled ?? '', /^ours: the hypervisor took 25 %/)
})

test('the order turns round, so that nobody is always first', async (t) => {
  /** @type {string[]} */
  const order = []
  const contenders = ['a', 'b', 'c'].map((name) => ({
    name,
    slice: async () => {
      order.push(name)
      return slice()
    },
  }))
  await takeTurns(contenders, { rounds: 3, repeats: 0 })
  t.is(order.join(''), 'abcbcacab')
})

test('Linux’s own words are understood', (t) => {
  const stat = 'cpu  100 20 30 4000 5 6 7 80 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\n'
  t.deepEqual(parseStat(stat), { busy: 1.63, stolen: 0.8 })
  t.deepEqual(parseStat(''), { busy: 0, stolen: 0 })
  const name = '12 (a) b (c)) S 1 12 12 0 -1 4194560 1 2 3 4 150 50 20 10 20 0 1 0 99 0 0'
  t.is(parseProcess(name), 2.3)
  t.is(parsePeak('Name:\tnode\nVmHWM:\t  204800 kB\n'), 200)
  t.is(parsePeak('Name:\tnode\n'), undefined)
})
