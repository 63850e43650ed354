import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { AbortError, findLr, ResidualError } from 'residual'
import { residual } from '../../child.js'
import { idxData, tempFolder, tinyConfig } from '../../tiny.js'

test('find-lr suggests a learning rate and writes its curve', async (t) => {
  const parent = tempFolder(t)
  const out = join(parent, 'plots')
  const { status, stdout, stderr } = await residual([
    ...['find-lr', idxData(parent), '--model', 'resnet8', '--steps', '80', '--start-lr', '1e-4'],
    ...['--out', out, '--json', 'batchSize=12', 'precision=fp32', 'threads=1', 'workers=1'],
  ])
  t.is(status, 0, stderr)
  const { points, suggestion, suggestions, files } = JSON.parse(stdout)
  t.true(points.length > 10 && points.length <= 80)
  t.true(suggestion > 1e-4 && suggestion < 1, String(suggestion))
  t.is(suggestions[0].lr, suggestion)
  t.deepEqual(readdirSync(out).sort(), ['lr-finder.csv', 'lr-finder.json', 'lr-finder.svg'])
  t.true(readFileSync(files.svg, 'utf8').startsWith('<svg'))
  t.is(readFileSync(files.csv, 'utf8').trimEnd().split('\n').length, points.length + 1)
})

test('findLr is deterministic, writes no files by default, and rejects invalid options', async (t) => {
  const config = tinyConfig(t)
  const options = { steps: 12, startLr: 1e-4, endLr: 1 }
  const [first, second] = [await findLr(config, options), await findLr(config, options)]
  t.deepEqual(first, second)
  t.is(first.files, null)
  const rates = first.points.map(({ lr }) => lr)
  t.true(Math.abs((rates[0] ?? 0) / 1e-4 - 1) < 1e-9)
  t.throws(() => readdirSync(config.out as string))
  const cases: [string, object][] = [
    ['endLr', { startLr: 1, endLr: 0.1 }],
    ['startLr', { startLr: 0 }],
    ['steps', { steps: 1 }],
    ['stepps', { stepps: 9 }],
  ]
  for (const [key, invalid] of cases) {
    const error = await t.throwsAsync(findLr(config, invalid), { instanceOf: ResidualError })
    t.is(error?.at.key, key)
  }
})

test('a signal cancels findLr and frees the thread', async (t) => {
  const config = tinyConfig(t)
  const controller = new AbortController()
  const reason = new Error('the window was closed')
  // Takes minutes unless it is cancelled.
  const pending = findLr(config, {
    ...{ steps: 100_000, startLr: 1e-7, endLr: 1e-6 },
    signal: controller.signal,
  })
  setTimeout(() => controller.abort(reason), 200)
  const error = await t.throwsAsync(pending, { instanceOf: AbortError })
  t.is(error?.cause, reason)
  const { points } = await findLr(config, { steps: 12, startLr: 1e-4, endLr: 1e-3 })
  t.is(points.length, 12)
})
