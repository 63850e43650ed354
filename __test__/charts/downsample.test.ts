import test from 'ava'
import { downsample } from '#dist/charts/downsample.js'

const long = Array.from({ length: 100_000 }, (_, x) => ({ x, y: Math.sin(x / 9000) }))

test('downsampling keeps the ends, the order and the spikes of a long curve', (t) => {
  const spiked = long.map((point) => (point.x === 54_321 ? { ...point, y: -40 } : point))
  const points = downsample(spiked, 200)
  t.true(points.length <= 200 && points.length > 150, String(points.length))
  t.is(points[0]?.x, 0)
  t.is(points.at(-1)?.x, 99_999)
  t.true(points.every(({ x }, index) => index === 0 || x > (points[index - 1]?.x ?? 0)))
  t.true(points.some(({ y }) => y === -40))
  t.is(Math.max(...points.map(({ y }) => y)), Math.max(...long.map(({ y }) => y)))
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
