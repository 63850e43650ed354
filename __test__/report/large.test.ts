import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { Evaluation, Example } from 'residual'
import { drawRun } from '#dist/bindings/ts/report/single.js'
import { readRunFolder } from '#dist/bindings/ts/run-folder.js'
import { folder } from '../tiny.js'
import { makeRun } from './made.js'

const CLASSES = Array.from({ length: 1000 }, (_, index) => `class with a longer name ${index}`)
const MEGABYTE = 2 ** 20

/** Noise, which no compression makes small. */
function example(index: number): Example {
  const pixels = Buffer.from(
    Array.from({ length: 96 * 96 * 3 }, (_, at) => (at * 7919 * index) % 251),
  )
  return {
    index,
    name: `/photos/train/${CLASSES[index]}/${index}.jpg`,
    label: CLASSES[index] as string,
    predicted: CLASSES[index + 1] as string,
    probability: 0.9,
    loss: 3,
    thumbnail: { width: 96, height: 96, channels: 3, base64: pixels.toString('base64') },
  }
}

function evaluation(): Evaluation {
  const confusion = CLASSES.map((_, row) =>
    CLASSES.map((_, column) => (row === column ? 6 : (row * 31 + column * 17) % 300 === 0 ? 1 : 0)),
  )
  const examples = Array.from({ length: 24 }, (_, index) => example(index + 1))
  const bins = Array.from({ length: 15 }, (_, bin) => {
    return {
      from: bin / 15,
      to: (bin + 1) / 15,
      count: 600,
      confidence: bin / 15,
      accuracy: bin / 15,
    }
  })
  return {
    ...{ loss: 1, accuracy: 0.6, top5: 0.8, count: 10_000, confusion, mostConfused: [] },
    classes: CLASSES.map((label) => {
      return { label, accuracy: 0.6, precision: 0.6, f1: 0.6, count: 10, predicted: 10 }
    }),
    ...{ calibration: { error: 0.01, bins }, topLosses: examples, samples: examples },
    ...{ broken: 0, warnings: [], imagesPerSecond: 900 },
  }
}

test('a thousand classes and a thousand epochs make a small page, with the classes that matter', async (t) => {
  const dir = makeRun(folder(t), { classes: CLASSES, epochs: 1000, stepsPerEpoch: 20 })
  const run = await readRunFolder(dir)
  t.is(run.steps.length, 20_000)
  const tiles = evaluation().samples.map(({ label, thumbnail }) => {
    const data = Buffer.from(thumbnail?.base64 ?? '', 'base64')
    return { image: { data, width: 96, height: 96, channels: 3 as const }, caption: label }
  })
  const measured = { found: { part: 'test' as const, evaluation: evaluation() } }
  const { page, figures } = await drawRun(run, measured, { found: tiles })
  t.true(page.length < 10 * MEGABYTE, `${(page.length / MEGABYTE).toFixed(1)} MB`)
  // Not a million fields.
  const confusion = figures.find(({ name }) => name === 'confusion')
  t.regex(confusion?.label ?? '', /20 of 1000 classes/)
  t.true(figures.every(({ svg }) => svg.length < MEGABYTE / 4))
  t.regex(page, /The 25 of 1,000 classes that are recognised least/)
  t.regex(page, /<p>6\d of 1,000 epochs; metrics.csv has all/)
  t.true(readFileSync(join(dir, 'metrics.jsonl')).length > 4 * MEGABYTE)
})
