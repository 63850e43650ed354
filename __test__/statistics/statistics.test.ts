import test from 'ava'
import { fisherTest, holmAdjust, mcnemarTest } from '#dist/statistics/exact-tests.js'
import { compareWithGuessing, describeGuessing } from '#dist/statistics/guessing.js'
import { wilsonInterval } from '#dist/statistics/proportion.js'

/** Whether two numbers agree to a relative precision. */
const isClose = (actual: number, expected: number, precision = 1e-9) =>
  Math.abs(actual - expected) <= precision * Math.abs(expected)

test("Wilson's interval equals published values", (t) => {
  // Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
  const published: [number, number, number, number][] = [
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ]
  for (const [correct, count, low, high] of published) {
    const interval = wilsonInterval(correct / count, count).map((bound) => Number(bound.toFixed(4)))
    t.deepEqual(interval, [low, high], `${correct} of ${count}`)
  }
  t.deepEqual(wilsonInterval(0, 0), [0, 1])
})

test("McNemar's exact test equals the binomial distribution", (t) => {
  t.true(isClose(mcnemarTest(10, 2), 158 / 4096))
  t.is(mcnemarTest(2, 10), mcnemarTest(10, 2))
  t.is(mcnemarTest(0, 0), 1)
  t.is(mcnemarTest(5, 5), 1)
  t.true(isClose(mcnemarTest(0, 40), 2 ** -39))
  // scipy.stats.binomtest(480, 1000).pvalue
  t.true(isClose(mcnemarTest(480, 520), 0.2174, 1e-3))
  // The normal approximation of many images continues the exact values.
  t.true(isClose(mcnemarTest(100_400, 99_601), mcnemarTest(100_400, 99_599), 0.02))
})

test("Fisher's exact test equals published values", (t) => {
  const p = (a: number, b: number, c: number, d: number) =>
    fisherTest({ correct: a, count: a + b }, { correct: c, count: c + d })
  t.true(isClose(p(3, 1, 1, 3), 34 / 70)) // the lady tasting tea
  t.true(isClose(p(8, 2, 1, 5), 0.034965034965))
  t.true(isClose(p(5, 5, 5, 5), 1))
  t.true(isClose(p(0, 10, 0, 10), 1))
  t.true(isClose(p(90_500, 9500, 90_100, 9900), p(90_500, 9500, 90_100, 9901), 0.05))
  t.is(p(0, 150_000, 0, 150_000), 1)
})

test("Holm's adjustment multiplies the smallest p-value by the number of tests", (t) => {
  t.deepEqual(
    holmAdjust([0.04, 0.01, 0.5]).map((p) => Number(p.toFixed(6))),
    [0.08, 0.03, 0.5],
  )
  t.deepEqual(holmAdjust([0.4, 0.6]), [0.8, 0.8])
  t.deepEqual(holmAdjust([]), [])
})

test('an accuracy is compared with the share of the most frequent class', (t) => {
  const verdict = (accuracy: number, counts: readonly number[]) => {
    const count = counts.reduce((sum, images) => sum + images, 0)
    return compareWithGuessing(accuracy, count, counts)?.verdict
  }
  t.is(verdict(0.9, [500, 500]), 'above')
  t.is(verdict(0.54, [5000, 5000]), 'weak')
  t.is(verdict(0.51, [50, 50]), 'unclear')
  t.is(verdict(0.95, [95, 5]), 'unclear') // always predicts the most frequent class
  t.is(verdict(1, [2, 1]), 'few-images')
  t.is(verdict(0.3, [500, 500]), 'below')
  t.is(verdict(0.05, Array(1000).fill(50)), 'above') // 50 times as good as guessing
  t.is(verdict(0.0015, Array(1000).fill(500)), 'weak')
  t.is(verdict(1, [10, 0]), undefined)
  t.is(verdict(Number.NaN, [5, 5]), undefined)
  t.is(verdict(0, []), undefined)
  const few = compareWithGuessing(1, 3, [2, 1])
  t.is(
    few && describeGuessing(few, (fraction) => `${Math.round(100 * fraction)} %`),
    '3 images are too few to distinguish this from guessing: always predicting the most frequent class would reach 67 %.',
  )
})
