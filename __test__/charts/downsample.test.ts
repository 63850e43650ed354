import test from 'ava'
import { downsample } from '#dist/charts/downsample.js'

const long = Array.from({ length: 100_000 }, (_, x) => ({ x, y: Math.sin(x / 9000) }))

test('downsampling keeps the ends, the order and the spikes of a long curve', (t) => {
  const spiked = long.map((point) => (point.x === 54_321 ? { ...point, y: -40 } : point))
  const few = downsample(spiked, 200)
  t.true(few.length <= 200 && few.length > 150, String(few.length))
  t.is(few[0]?.x, 0)
  t.is(few.at(-1)?.x, 99_999)
  t.true(few.every(({ x }, index) => index === 0 || x > (few[index - 1]?.x ?? 0)))
  t.true(few.some(({ y }) => y === -40))
  t.is(Math.max(...few.map(({ y }) => y)), Math.max(...long.map(({ y }) => y)))
})

test('a short curve keeps all finite points', (t) => {
  const short = [
    { x: 1, y: 2 },
    { x: 2, y: Number.NaN },
    { x: 3, y: 1 },
  ]
  t.deepEqual(downsample(short, 10), [short[0], short[2]] as typeof short)
  t.deepEqual(downsample([], 10), [])
  t.is(downsample(long.slice(0, 50), 4).length, 4)
})
