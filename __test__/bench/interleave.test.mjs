import test from 'ava'
import { parsePeak, parseProcess, parseStat } from '../../scripts/bench/cpu-load.mjs'
import { findDisturbance } from '../../scripts/bench/disturbance.mjs'
import { interleave } from '../../scripts/bench/interleave.mjs'

/** @typedef {import('../../scripts/bench/cpu-load.mjs').Load} Load */
/** @typedef {import('../../scripts/bench/disturbance.mjs').Slice} Slice */

/**
 * A slice of two seconds that uses two processors.
 *
 * @param {number} [seconds]
 * @param {Partial<Load>} [load]
 * @returns {Slice}
 */
const slice = (seconds = 2, load) => ({
  items: 100,
  seconds,
  load: { wall: 2, own: 4, other: 0, stolen: 0, cpus: 2, ...load },
})

/** @param {readonly Slice[]} slices of subject `a`, one per round */
const rounds = (...slices) => slices.map((a) => ({ a, b: slice() }))

test('similar rounds are not disturbed', (t) => {
  t.is(findDisturbance(rounds(slice(2), slice(2.1), slice(1.9), slice(2.3))), undefined)
})

test('time taken by the hypervisor is a disturbance, also in the first round', (t) => {
  const disturbance = findDisturbance(rounds(slice(2, { stolen: 0.2 })))
  t.deepEqual(disturbance, { index: 0, reason: 'a: the hypervisor took 5 % of the time' })
})

test('other processes are a disturbance, unless they run all the time', (t) => {
  const busy = rounds(slice(), slice(2, { other: 0.8 }))
  t.deepEqual(findDisturbance(busy), {
    index: 1,
    reason: 'a: other processes took 20 % of the time',
  })
  t.is(findDisturbance(busy, { otherLoad: 0.15 }), undefined)
})

test('a round that is much slower than the median is a disturbance; a faster round is not', (t) => {
  t.is(
    findDisturbance(rounds(slice(2), slice(3))),
    undefined,
    'two rounds are too few for a median',
  )
  t.is(findDisturbance(rounds(slice(2), slice(2), slice(3)))?.index, 2)
  t.is(findDisturbance(rounds(slice(3), slice(2), slice(2)))?.index, 0)
  t.is(findDisturbance(rounds(slice(2), slice(2), slice(1.5))), undefined)
})

test('times are compared per item, because slices may differ in length', (t) => {
  const longer = { ...slice(4), items: 200 }
  t.is(findDisturbance(rounds(slice(), slice(), longer)), undefined)
})

test('a subject that uses fewer processors than usual is disturbed', (t) => {
  const disturbance = findDisturbance(rounds(slice(), slice(), slice(2, { own: 2.4 })))
  t.deepEqual(disturbance, {
    index: 2,
    reason: 'a: used 1.20 processors instead of 2.00',
  })
})

test('a disturbed round is measured again for all subjects', async (t) => {
  const counts = { a: 0, b: 0 }
  const result = await interleave(
    [
      { name: 'a', slice: async () => slice(++counts.a === 3 ? 5 : 2) },
      { name: 'b', slice: async () => slice(++counts.b > 0 ? 2 : 0) },
    ],
    { rounds: 5, repeats: 3 },
  )
  t.is(result.rounds.length, 5)
  t.true(result.rounds.every((round) => round.a.seconds === 2))
  t.deepEqual(counts, { a: 6, b: 6 })
  t.deepEqual(
    result.repeated.map(({ reason }) => reason),
    ['a: 2.50 times its median time'],
  )
  t.is(result.disturbed, undefined)
})

test('a permanent disturbance ends the repeats and is reported', async (t) => {
  const subject = { name: 'a', slice: async () => slice(2, { stolen: 1 }) }
  const result = await interleave([subject], { rounds: 2, repeats: 3 })
  t.is(result.rounds.length, 2)
  t.is(result.repeated.length, 3)
  t.regex(result.disturbed ?? '', /^a: the hypervisor took 25 %/)
})

test('the order rotates with every round', async (t) => {
  /** @type {string[]} */
  const order = []
  const subjects = ['a', 'b', 'c'].map((name) => ({
    name,
    slice: async () => {
      order.push(name)
      return slice()
    },
  }))
  await interleave(subjects, { rounds: 3, repeats: 0 })
  t.is(order.join(''), 'abcbcacab')
})

test('parses the files of /proc', (t) => {
  const stat = 'cpu  100 20 30 4000 5 6 7 80 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\n'
  t.deepEqual(parseStat(stat), { busy: 1.63, stolen: 0.8 })
  t.deepEqual(parseStat(''), { busy: 0, stolen: 0 })
  const name = '12 (a) b (c)) S 1 12 12 0 -1 4194560 1 2 3 4 150 50 20 10 20 0 1 0 99 0 0'
  t.is(parseProcess(name), 2.3)
  t.is(parsePeak('Name:\tnode\nVmHWM:\t  204800 kB\n'), 200)
  t.is(parsePeak('Name:\tnode\n'), undefined)
})
