/** Tests of the conclusions that reports draw from the results of runs. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type Evaluation, report } from 'residual'
import { isWithinVariation } from '#dist/experiment/degradation-table.js'
import { errorDomain } from '#dist/experiment/error-curves.js'
import { meanStd } from '#dist/experiment/mean-std.js'
import { renderComparisonReport } from '#dist/report/comparison-report.js'
import { renderRunReport } from '#dist/report/run-report.js'
import { lossAxis } from '#dist/report/sections/training-curves.js'
import { readRunFolder } from '#dist/run-folder/run-folder.js'
import { tempFolder } from '../tiny.js'
import { makeEvaluation, writeSampleRun } from './sample-run.js'

/** Creates an evaluation of two classes from its confusion matrix. */
function evaluationOf(confusion: number[][]): Evaluation {
  const labels = ['cat', 'dog']
  const base = makeEvaluation(labels)
  const sum = (values: number[]) => values.reduce((a, b) => a + b, 0)
  const count = sum(confusion.flat())
  const accuracy = sum(confusion.map((row, index) => row[index] ?? 0)) / count
  const classes = labels.map((label, index) => {
    const row = confusion[index] ?? []
    const predicted = sum(confusion.map((other) => other[index] ?? 0))
    const recall = (row[index] ?? 0) / sum(row)
    return { label, accuracy: recall, precision: 0.5, f1: 0.5, count: sum(row), predicted }
  })
  return { ...base, accuracy, count, classes, confusion, samples: [], topLosses: [] }
}

/** Returns the text of the summary of a report. */
async function summaryOf(
  t: ExecutionContext,
  confusion: number[][],
  trainAccuracy = 0.9,
): Promise<string> {
  const run = await readRunFolder(
    writeSampleRun(tempFolder(t), { classes: ['cat', 'dog'], epochs: 2 }),
  )
  for (const epoch of run.epochs) epoch.train.accuracy = trainAccuracy
  const value = { split: 'test' as const, evaluation: evaluationOf(confusion) }
  const { page } = await renderRunReport(run, { value }, { missing: '' })
  const [, summary = ''] = /<section id="summary"[^>]*>([\s\S]*?)<\/section>/.exec(page) ?? []
  return summary.replace(/<[^>]*>/g, '').replace(/\s+/g, ' ')
}

test('a report says that a network is barely above guessing, and suggests next steps', async (t) => {
  const confusion = [
    [2900, 2100],
    [2500, 2500],
  ]
  const overfitted = await summaryOf(t, confusion)
  t.regex(
    overfitted,
    /guessing.*Suggested next steps: ?Use more images or stronger augmentation: the network fits only/,
  )
  const weak = await summaryOf(t, confusion, 0.56)
  t.regex(weak, /^\s*Summary Test accuracy is 54\.0 % .* interval is 53\.0 to 55\.0 %/)
  t.regex(weak, /This is barely above guessing: always predicting .* would reach 50\.0 %/)
  t.regex(
    weak,
    /guessing.*Suggested next steps:.*residual find-lr \.\/photos.*residual data preview \.\/photos/,
  )

  const constant = await summaryOf(t, [
    [0, 40],
    [0, 60],
  ])
  t.regex(constant, /cannot be distinguished from guessing: .* would reach 60\.0 %/)
  t.regex(constant, /predicts the same class for every image/)

  const good = await summaryOf(t, [
    [450, 50],
    [40, 460],
  ])
  t.regex(good, /Always predicting the most frequent class would reach 50\.0 %/)
  t.notRegex(good, /guessing/)
})

test('differences between classes that few images cannot show are called noise', async (t) => {
  const few = await summaryOf(t, [
    [8, 2],
    [1, 9],
  ])
  const noise = /With so few images per class, this difference is within noise/
  t.regex(few, noise)
  const many = await summaryOf(t, [
    [800, 200],
    [100, 900],
  ])
  t.notRegex(many, noise)
})

/** Creates a run with an accuracy and the outcome of each validation image. */
function makeRanked(
  parent: string,
  name: string,
  { accuracy, count, outcomes }: { accuracy: number; count: number; outcomes?: string },
): string {
  const dir = writeSampleRun(parent, { name, epochs: 1 })
  const replace = (file: string, from: RegExp, to: string) => {
    const path = join(dir, file)
    writeFileSync(path, readFileSync(path, 'utf8').replace(from, to))
  }
  replace('result.json', /"accuracy":0\.875/, `"accuracy":${accuracy}`)
  replace('metrics.jsonl', /"count":8\}/g, `"count":${count}}`)
  if (outcomes !== undefined) {
    const evaluation = makeEvaluation(['ant', 'bee', 'wasp'])
    const stored = { split: 'test', epoch: 1, evaluation, valOutcomes: outcomes }
    writeFileSync(join(dir, 'evaluation.json'), JSON.stringify(stored))
  }
  return dir
}

/** Renders the comparison of runs as text. */
async function compare(dirs: readonly string[]): Promise<string> {
  const runs = []
  for (const dir of dirs) runs.push(await readRunFolder(dir))
  const { page } = await renderComparisonReport(runs)
  const text = page.slice(page.indexOf('<h1>')).replace(/<[^>]*>/g, ' ')
  return text.replace(/\s+/g, ' ')
}

test('runs that were evaluated on the same images are compared in pairs', async (t) => {
  const parent = tempFolder(t)
  const [zeros, ones] = [(n: number) => '0'.repeat(n), (n: number) => '1'.repeat(n)]
  // 12 images that only the first classifies correctly, 10 that only the second does.
  const first = `---${ones(178)}${ones(12)}${zeros(10)}-`
  const second = `---${ones(178)}${zeros(12)}${ones(10)}-`
  const noise = await compare([
    makeRanked(parent, 'second', { accuracy: 0.94, count: 200, outcomes: second }),
    makeRanked(parent, 'first', { accuracy: 0.95, count: 200, outcomes: first }),
  ])
  t.regex(noise, /first has the highest validation accuracy, 95\.0 %, 1\.0 percentage points above/)
  t.regex(noise, /difference is within noise : of the same 200 images, only first classified 12 /)
  t.regex(noise, /only second 10 \(McNemar’s exact test, p = 0\.83\)/)
  t.regex(noise, /91\.0 to 97\.3 %/)
  t.true(noise.indexOf('within noise') < noise.indexOf('Results'), 'the headline comes first')

  // All 12 images on which the runs differ favor the first.
  const better = `---${ones(190)}${zeros(10)}-`
  const worse = `---${ones(178)}${zeros(22)}-`
  const clear = await compare([
    makeRanked(parent, 'better', { accuracy: 0.95, count: 200, outcomes: better }),
    makeRanked(parent, 'worse', { accuracy: 0.89, count: 200, outcomes: worse }),
  ])
  t.regex(clear, /This difference is more than noise: .* only better classified 12 correctly/)
  t.regex(clear, /only worse 0 \(McNemar’s exact test, p &#60; 0\.001\)/)
})

test('runs without outcomes are compared unpaired, and other images are not compared', async (t) => {
  const parent = tempFolder(t)
  const one = makeRanked(parent, 'one', { accuracy: 0.95, count: 200 })
  const two = makeRanked(parent, 'two', { accuracy: 0.89, count: 200, outcomes: '1'.repeat(200) })
  // scipy.stats.fisher_exact([[190, 10], [178, 22]]) gives 0.0417.
  t.regex(await compare([one, two]), /more than noise \(Fisher’s exact test, p = 0\.04\d?\)/)
  // With a third run, the p-value is adjusted for two tests.
  const three = makeRanked(parent, 'three', { accuracy: 0.9, count: 200 })
  const all = await compare([one, two, three])
  t.regex(all, /Of 2 tested runs, 2 cannot be distinguished from the best one/)
  t.is(all.match(/within noise \(p = /g)?.length, 2)

  const log = join(two, 'metrics.jsonl')
  writeFileSync(log, readFileSync(log, 'utf8').replace('"fingerprint":"0"', '"fingerprint":"1"'))
  const other = await compare([one, two])
  t.regex(other, /cannot be tested: different images/)
  t.regex(other, /trained on different images, so their metrics are not directly comparable/)
})

test('no point of a curve is outside of its axis', (t) => {
  const curve = (values: number[]) => values.map((y, x) => ({ x, y }))
  const decreasing = curve(Array.from({ length: 50 }, (_, index) => 2.3 / (1 + index / 3)))
  const spike = curve([...Array.from({ length: 60 }, () => 0.4), 3.1])
  for (const lines of [[decreasing], [spike], [decreasing, spike]]) {
    const { domain, scale } = lossAxis(lines)
    t.is(scale, undefined)
    const highest = Math.max(...lines.flat().map(({ y }) => y))
    t.true(domain !== undefined && domain[0] <= 0 && domain[1] >= highest, `${domain}`)
  }
  // A far outlier would flatten a linear axis.
  const outlier = lossAxis([curve([...Array.from({ length: 60 }, () => 0.4), 90])])
  t.deepEqual([outlier.scale, outlier.domain], ['log', undefined])
  // A logarithmic axis cannot show zero.
  t.is(lossAxis([curve([0, ...Array.from({ length: 60 }, () => 0.4), 90])]).scale, undefined)

  const points = [
    { x: 1, y: 93, std: 2 },
    { x: 2, y: 12, std: 3 },
  ]
  t.deepEqual(errorDomain([{ name: 'error', points }]), [0, 100])
  t.deepEqual(errorDomain([{ name: 'error', points: points.slice(0, 1) }]), [80, 100])
})

test('a difference between networks is compared with the variation between seeds', (t) => {
  const noisy = isWithinVariation(meanStd([0.2, 0.3, 0.25]), meanStd([0.22, 0.31, 0.28]))
  t.true(noisy)
  t.false(isWithinVariation(meanStd([0.2, 0.21, 0.205]), meanStd([0.3, 0.31, 0.305])))
  // Two seeds need a larger difference than many.
  t.true(isWithinVariation(meanStd([0.2, 0.22]), meanStd([0.25, 0.27])))
  t.false(isWithinVariation(meanStd([0.2]), meanStd([0.2])))
})

const NAMES = [
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'width', 'datum', 'null'],
  ...['bell\u0007', 'escape\u001b[31m', 'a\nb', '<b>', "o'clock", '{a}', 'x'.repeat(200), '猫'],
]

test('any names of classes and runs give a complete report', async (t) => {
  const parent = tempFolder(t)
  for (const [index, classes] of [NAMES, ['constructor', 'width']].entries()) {
    const dir = writeSampleRun(parent, {
      name: `run-${index}`,
      classes,
      epochs: 1,
      stepsPerEpoch: 2,
    })
    const log = join(dir, 'metrics.jsonl')
    const counts = JSON.stringify(classes.map((_, index) => index + 1))
    writeFileSync(
      log,
      readFileSync(log, 'utf8').replace('"valImages"', `"trainClassCounts":${counts},"valImages"`),
    )
    const evaluation = makeEvaluation(classes)
    const stored = { split: 'test', epoch: 1, evaluation }
    writeFileSync(join(dir, 'evaluation.json'), JSON.stringify(stored))
    const { skipped, figures } = await report(dir)
    t.deepEqual(
      skipped.map(({ section }) => section),
      ['Augmented training images'],
    )
    const matrix = readFileSync(figures['confusion-matrix']?.svg ?? '', 'utf8')
    for (const name of classes.slice(0, 2)) t.true(matrix.includes(`>${name}</text>`), name)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern matches control characters
    t.notRegex(matrix, /[\x00-\x08\x0b\x0c\x0e-\x1f]/)
  }
  const out = join(parent, 'comparison.html')
  const dirs = ['constructor', '__proto__', 'width'].map((name) => writeSampleRun(parent, { name }))
  const { figures } = await report(dirs, { out })
  const legend = readFileSync(figures['validation-accuracy']?.svg ?? '', 'utf8')
  for (const name of ['constructor', '__proto__', 'width']) t.true(legend.includes(`>${name}<`))
})

test('a comparison continues with damaged files, and names them', async (t) => {
  const parent = tempFolder(t)
  const whole = makeRanked(parent, 'whole', { accuracy: 0.95, count: 200 })
  const cut = makeRanked(parent, 'cut', { accuracy: 0.9, count: 200, outcomes: '1'.repeat(200) })
  for (const name of ['evaluation.json', 'result.json', 'environment.json', 'metrics.jsonl']) {
    const file = join(cut, name)
    writeFileSync(file, readFileSync(file, 'utf8').slice(0, -12))
  }
  const text = await compare([whole, cut])
  for (const name of ['evaluation', 'result', 'environment']) {
    t.regex(text, new RegExp(`cut : ${name}\\.json cannot be read and is ignored`))
  }
  t.regex(text, /cut : The last line of metrics\.jsonl is truncated/)
  t.regex(text, /whole has the highest|whole .* 95\.0 %/)
})
