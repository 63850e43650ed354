import test from 'ava'
import { byteProgress } from '../../scripts/setup/download/progress.mjs'

/** @param {boolean} isTTY */
function fakeStream(isTTY) {
  /** @type {string[]} */
  const written = []
  const stream = { isTTY, write: (/** @type {string} */ text) => written.push(text) }
  return { written, stream: /** @type {NodeJS.WriteStream} */ (/** @type {unknown} */ (stream)) }
}

test('a terminal is redrawn at most ten times per second and shows the final size', (t) => {
  const { written, stream } = fakeStream(true)
  const started = performance.now()
  const progress = byteProgress('unpacking', 504e6, stream)
  for (let bytes = 0; bytes <= 503e6; bytes += 16_384) progress.update(bytes)
  progress.update(503e6)
  progress.end()
  const redraws = (performance.now() - started) / 100
  t.true(written.length <= redraws + 3, `${written.length} writes`)
  t.is(written.at(-2), '\r\x1b[Kunpacking: 503 of 504 MB')
  t.is(written.at(-1), '\n')
})

test('a log contains a line per 10 %', (t) => {
  const { written, stream } = fakeStream(false)
  const progress = byteProgress('unpacking', 100e6, stream)
  for (let bytes = 0; bytes <= 100e6; bytes += 1e6) progress.update(bytes)
  progress.end()
  t.is(written.length, 10)
  t.is(written.at(-1), 'unpacking: 100 of 100 MB\n')
})
