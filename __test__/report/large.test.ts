import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { renderRunReport } from '#dist/report/run-report.js'
import { readRunFolder } from '#dist/run-folder/run-folder.js'
import { tempFolder } from '../tiny.js'
import { makeEvaluation, writeSampleRun } from './sample-run.js'

const CLASSES = Array.from({ length: 1000 }, (_, index) => `class with a longer name ${index}`)
const MEGABYTE = 2 ** 20

test('a thousand classes and a thousand epochs give a small page with the worst classes', async (t) => {
  const dir = writeSampleRun(tempFolder(t), { classes: CLASSES, epochs: 1000, stepsPerEpoch: 20 })
  const run = await readRunFolder(dir)
  const evaluation = makeEvaluation(CLASSES)
  t.is(run.steps.length, 20_000)
  const tiles = evaluation.samples.map(({ label, thumbnail }) => {
    const data = Buffer.from(thumbnail?.base64 ?? '', 'base64')
    return { image: { data, width: 96, height: 96, channels: 3 as const }, caption: label }
  })
  const data = { value: { split: 'test' as const, evaluation } }
  const { page, figures } = await renderRunReport(run, data, { value: tiles })
  t.true(page.length < 10 * MEGABYTE, `${(page.length / MEGABYTE).toFixed(1)} MB`)
  // The full matrix would have a million cells.
  const confusion = figures.find(({ name }) => name === 'confusion-matrix')
  t.regex(confusion?.label ?? '', /20 of 1000 classes/)
  t.true(figures.every(({ svg }) => svg.length < MEGABYTE / 4))
  t.regex(page, /The 25 of 1,000 classes with the lowest accuracy/)
  t.regex(page, /<p>6\d of 1,000 epochs; metrics.csv contains all epochs/)
  t.true(readFileSync(join(dir, 'metrics.jsonl')).length > 4 * MEGABYTE)
})
