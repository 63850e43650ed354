import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { ResidualError, report, train } from 'residual'
import { renderComparisonReport } from '#dist/report/comparison-report.js'
import { renderRunReport } from '#dist/report/run-report.js'
import { readRunFolder } from '#dist/run-folder/run-folder.js'
import { arraySplit, imageFolder, tempFolder, tinyConfig } from '../tiny.js'
import { makeEvaluation, writeSampleRun } from './sample-run.js'

/** Returns the titles of the sections of a page. */
function sectionTitles(page: string): string[] {
  return [...page.matchAll(/<h2[^>]*>([^<]*)</g)].map(([, title]) => title as string)
}

const CONFUSION_MATRIX = 'Confusion matrix'
const AUGMENTED_IMAGES = 'Augmented training images'

/** Sections that need an evaluation. */
const EVALUATION_SECTIONS = [
  ...[CONFUSION_MATRIX, 'Per-class accuracy', 'Sample predictions', 'Highest losses'],
  'Calibration',
]

const SECTIONS = [
  ...['Summary', 'Training curves', ...EVALUATION_SECTIONS, 'Images per class'],
  ...[AUGMENTED_IMAGES, 'Configuration', 'Environment', 'Reproduce this run'],
]

test('the report of a run has all sections, is self-contained, and writes its figures', async (t) => {
  const { dir } = await train(tinyConfig(t, { optimizer: { type: 'sgd', lr: 0.02 } }))
  const { file, figures, skipped, runs } = await report(dir)
  t.is(file, join(dir, 'report.html'))
  t.deepEqual(skipped, [])
  const page = readFileSync(file, 'utf8')
  t.deepEqual(sectionTitles(page), SECTIONS)
  t.regex(page, /Test accuracy is <strong>\d+\.\d\u00a0%<\/strong> \(\d+ of\s+\d+ images\)/)
  t.regex(page, /residual train --config [^<]*config\.json --out/)

  // The page loads no external resource and contains no script. Its policy also blocks both.
  t.regex(page, /Content-Security-Policy" content="default-src 'none'; img-src data:/)
  t.notRegex(page, /<script|<link|<iframe|@import|url\((?!#)/i)
  for (const [, url] of page.matchAll(/(?:src|href)="([^"]*)"/g)) {
    t.regex(url as string, /^(data:image\/png;base64,|#)/)
  }
  // Every image and every figure has a text alternative.
  for (const [image] of page.matchAll(/<img[^>]*>/g)) t.regex(image, / alt="[^"]+"/)
  for (const [, root] of page.matchAll(/<figure class="plot">(<svg[^>]*>)/g)) {
    t.regex(root as string, /role="img" aria-label="[^"]+"/)
  }
  const ids = [...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id)
  t.is(new Set(ids).size, ids.length)

  const expected = ['accuracy', 'augmented', 'calibration', 'class-balance', 'confusion-matrix']
  t.deepEqual(Object.keys(figures).sort(), [
    ...[...expected, 'learning-rate', 'loss', 'samples', 'throughput', 'top-losses'],
  ])
  for (const { svg, png } of Object.values(figures)) {
    t.true(svg.startsWith(join(dir, 'plots')))
    t.regex(readFileSync(svg, 'utf8').slice(0, 10), /^<svg/)
    t.is(readFileSync(png).toString('latin1', 1, 4), 'PNG')
  }
  t.is(runs[0]?.epochs, 2)
})

test('names of classes and files are escaped', async (t) => {
  const parent = tempFolder(t)
  const classes = ['<img src=x onerror=alert(1)>', `"'&amp;]]>`, 'قطة صغيرة', '猫\u202e\u2028']
  const data = imageFolder(parent, classes)
  const config = { data, epochs: 1, out: join(parent, '<b>run') }
  const { dir } = await train(tinyConfig(t, config))
  const { file, skipped } = await report(dir)
  t.deepEqual(skipped, [])
  const page = readFileSync(file, 'utf8')
  t.notRegex(page, /<img src=x|<b>|"'&amp;\]\]>/)
  for (const escaped of ['&#60;img src=x onerror=alert(1)&#62;', '&#34;&#39;&#38;amp;]]&#62;']) {
    t.true(page.includes(`<bdi>${escaped}</bdi>`), escaped)
  }
  t.true(page.includes('<bdi>قطة صغيرة</bdi>'))
})

test('uses the evaluation stored in the run, also for images in memory', async (t) => {
  const { data: _, ...config } = tinyConfig(t, { epochs: 1 })
  const arrays = { train: arraySplit(60), test: arraySplit(21) }
  const { dir, test: testMetrics } = await train(config, { arrays })
  let hasEvaluated = false
  const { file, skipped } = await report(dir, {
    onEvaluate() {
      hasEvaluated = true
    },
  })
  t.false(hasEvaluated)
  t.deepEqual(
    skipped.map(({ section }) => section),
    [AUGMENTED_IMAGES],
  )
  const page = readFileSync(file, 'utf8')
  t.regex(page, /Predictions on 21 test images/)
  t.true(page.includes(`${((testMetrics?.accuracy ?? 0) * 100).toFixed(1)}`))
  const images = [...page.matchAll(/<img /g)].length
  t.true(images > 21, `${images}`)
})

test('lists warnings as sentences with their hints', async (t) => {
  const dir = writeSampleRun(tempFolder(t))
  const warning = { code: 'E_IMAGE', message: 'a.gif is a GIF image', hint: 'Convert it.' }
  appendFileSync(join(dir, 'metrics.jsonl'), `${JSON.stringify({ type: 'warning', ...warning })}\n`)
  const { file } = await report(dir, { evaluate: false })
  t.regex(readFileSync(file, 'utf8'), /<li>.*a\.gif is a GIF image\. Convert it\./)
})

test('ignores a stored evaluation of another epoch or with invalid values', async (t) => {
  const dir = writeSampleRun(tempFolder(t))
  const file = join(dir, 'evaluation.json')
  const valid = { split: 'test', epoch: 4, evaluation: makeEvaluation(['ant', 'bee', 'wasp']) }
  const isIgnored = async (stored: unknown) => {
    writeFileSync(file, JSON.stringify(stored))
    const { skipped, file: page } = await report(dir, { evaluate: false })
    t.notRegex(readFileSync(page, 'utf8'), /<b>/)
    return skipped.some(({ section }) => section === CONFUSION_MATRIX)
  }
  t.false(await isIgnored(valid))
  t.true(await isIgnored({ ...valid, epoch: 3 }))
  t.true(await isIgnored({ ...valid, split: 'val' }))
  const invalid: [key: string, value: unknown][] = [
    ['accuracy', '<b>'],
    ['classes', [{ label: '<b>' }]],
    ['confusion', [[1]]],
    ['mostConfused', null],
    ['calibration', { bins: [{}] }],
    ['samples', [7]],
    ['topLosses', [{ ...valid.evaluation.samples[0], thumbnail: { width: 1e6, height: 1 } }]],
  ]
  for (const [key, value] of invalid) {
    const evaluation = { ...valid.evaluation, [key]: value }
    t.true(await isIgnored({ ...valid, evaluation }), key)
    t.regex((await readRunFolder(dir)).issues.join(), /evaluation\.json cannot be read/, key)
  }
})

test('skips sections that cannot be rendered, with the reason', async (t) => {
  const parent = tempFolder(t)
  const data = imageFolder(parent, ['ant', 'bee'])
  const { dir } = await train(tinyConfig(t, { data, epochs: 1, out: join(parent, 'run') }))
  rmSync(data, { recursive: true })
  const stored = await report(dir)
  t.deepEqual(
    stored.skipped.map(({ section }) => section),
    [AUGMENTED_IMAGES],
  )
  rmSync(join(dir, 'evaluation.json'))
  const { file, skipped } = await report(dir)
  t.deepEqual(
    skipped.map(({ section }) => section),
    [...EVALUATION_SECTIONS, AUGMENTED_IMAGES],
  )
  t.true(skipped.every(({ reason }) => reason.includes(data)))
  const page = readFileSync(file, 'utf8')
  for (const title of ['Missing sections', 'Training curves', 'Images per class']) {
    t.true(sectionTitles(page).includes(title), title)
  }

  const moved = imageFolder(tempFolder(t), ['ant', 'bee'])
  t.deepEqual((await report(dir, { data: moved })).skipped, [])
  rmSync(join(moved, 'ant', '7.png'))
  const again = await report(dir, { data: moved })
  t.is(again.skipped[0]?.section, CONFUSION_MATRIX) // other images, without a validation split
  t.false(again.skipped.some(({ section }) => section === AUGMENTED_IMAGES))
})

test('reports on a run that is unfinished or not started', async (t) => {
  const parent = tempFolder(t)
  const dir = writeSampleRun(parent, { finished: false })
  const file = join(dir, 'metrics.jsonl')
  writeFileSync(file, readFileSync(file, 'utf8').slice(0, -20))
  const unfinished = await report(dir, { evaluate: false })
  const page = readFileSync(unfinished.file, 'utf8')
  t.regex(page, /is not finished/)
  t.regex(page, /The last line of metrics\.jsonl is truncated/)
  t.is(unfinished.runs[0]?.epochs, 3)
  t.is(unfinished.runs[0]?.stopReason, undefined)

  writeFileSync(file, '')
  rmSync(join(dir, 'environment.json'))
  const notStarted = await report(dir)
  t.true(notStarted.skipped.some(({ section }) => section === 'Training curves'))
  t.true(notStarted.skipped.some(({ section }) => section === 'Environment'))
  // Figures of the earlier report are removed.
  t.false(existsSync(join(dir, 'plots', 'loss.svg')))

  const newer = await report(writeSampleRun(parent, { name: 'newer', version: '9.0.0' }))
  t.regex(readFileSync(newer.file, 'utf8'), /residual 9\.0\.0, which is newer than this/)
})

test('tolerates invalid values in the files of a run folder', async (t) => {
  const parent = tempFolder(t)
  const dir = writeSampleRun(parent, { epochs: 1, stepsPerEpoch: 2 })
  const other = await readRunFolder(writeSampleRun(parent, { name: 'other' }))
  const invalid: [file: string, key: string, value: unknown][] = [
    ['config.json', 'data', { source: 7 }],
    ['config.json', 'model', {}],
    ['config.json', 'reasons', { batchSize: ['<b>'] }],
    ['config.json', 'transform', null],
    ['config.json', 'epochs', '<b>'],
    ['result.json', 'best', {}],
    ['result.json', 'test', 'none'],
    ['result.json', 'stopReason', 'a new one'],
    ['environment.json', 'residual', 9],
    ['environment.json', 'startedAt', '<b>'],
  ]
  for (const [name, key, value] of invalid) {
    const file = join(dir, name)
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, JSON.stringify({ ...JSON.parse(text), [key]: value }))
    const run = await readRunFolder(dir)
    const { page } = await renderRunReport(run, { missing: '' }, { missing: '' })
    t.notRegex(page, /<b>/)
    if (name === 'result.json') {
      t.regex((await renderComparisonReport([run, other])).page, /<h2/)
    }
    writeFileSync(file, text)
  }
})

test('compares runs: results, curves, differences of configuration', async (t) => {
  const parent = tempFolder(t)
  const config = { batchSize: 64, optimizer: { type: 'adamw', lr: 0.001 } }
  const runs = [
    writeSampleRun(parent, { name: 'one' }),
    writeSampleRun(parent, { name: 'two', epochs: 6, config }),
    writeSampleRun(join(parent, 'deeper'), { name: 'one', finished: false }),
  ]
  const out = join(parent, 'both.html')
  const { file, figures, runs: reported } = await report(runs, { out })
  t.is(file, out)
  const page = readFileSync(out, 'utf8')
  t.true(figures['validation-accuracy']?.svg.startsWith(join(parent, 'both-plots')))
  t.regex(page, /<code>batchSize<\/code>.*128.*64/)
  t.regex(page, /<code>optimizer.type<\/code>/)
  t.notRegex(page, /<code>transform.flip<\/code>/)
  t.is(new Set(reported.map(({ name }) => name)).size, 3)
  t.regex(page, /4 \(unfinished\)/)
})

test('rejects invalid arguments', async (t) => {
  const run = writeSampleRun(tempFolder(t))
  const cases: [Parameters<typeof report>, string][] = [
    [[[]], 'E_USAGE'],
    [[''], 'E_USAGE'],
    [[join(run, 'plots')], 'E_CHECKPOINT'],
    [[run, { outt: 'x.html' } as object], 'E_UNKNOWN_KEY'],
    [[run, { evaluate: false, out: join(run, 'config.json', 'x.html') }], 'E_WRITE'],
  ]
  for (const [args, code] of cases) {
    await t.throwsAsync(report(...args), { instanceOf: ResidualError, code })
  }
})
