import test from 'ava'
import { best, compare, fitExponent, median, spread } from '../../scripts/bench/statistics.mjs'

test('the median is the middle value, or the mean of the two middle values', (t) => {
  t.is(median([3]), 3)
  t.is(median([9, 1, 5]), 5)
  t.is(median([10, 1, 4, 2]), 3)
})

test('ratios are taken within rounds, not of the medians', (t) => {
  // In the second round the machine is half as fast.
  const ratio = compare([200, 110, 240], [100, 50, 150], 'higher')
  t.is(ratio.median, 2)
  t.is(ratio.worst, 1.6)
  t.is(ratio.bestToBest, 1.6)
  t.true(Math.abs(ratio.spread - (2.2 - 1.6) / 2) < 1e-12)
})

test('for seconds and megabytes lower is better, and the worst ratio is the highest', (t) => {
  const ratio = compare([1, 2, 3], [4, 4, 4], 'lower')
  t.deepEqual([ratio.median, ratio.worst, ratio.bestToBest], [0.5, 0.75, 0.25])
  t.is(best([3, 1, 2], 'lower'), 1)
  t.is(best([3, 1, 2], 'higher'), 3)
})

test('different numbers of rounds cannot be compared', (t) => {
  t.throws(() => compare([1, 2], [1], 'higher'), { instanceOf: RangeError })
  t.throws(() => compare([], [], 'higher'), { instanceOf: RangeError })
})

test('the spread is the range over the median', (t) => {
  t.is(spread([100, 90, 110]), 0.2)
  t.is(spread([7]), 0)
})

test('the exponent is 1 for linear growth', (t) => {
  const fitted = (/** @type {number} */ power) =>
    fitExponent([8, 32, 128].map((x) => ({ x, y: 3 * x ** power })))
  for (const power of [0, 0.5, 1, 2]) t.true(Math.abs(fitted(power) - power) < 1e-12)
})
