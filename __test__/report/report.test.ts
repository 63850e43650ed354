import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { ResidualError, report, train } from 'residual'
import { renderComparisonReport } from '#dist/report/comparison-report.js'
import { renderRunReport } from '#dist/report/run-report.js'
import { readRunFolder } from '#dist/run-folder/run-folder.js'
import { folder, imageFolder, part, tinyRun } from '../tiny.js'
import { makeEvaluation, makeRun } from './sample-run.js'

/** The titles of a page's sections. */
function titles(page: string): string[] {
  return [...page.matchAll(/<h2[^>]*>([^<]*)</g)].map(([, title]) => title as string)
}

const SECTIONS = [
  ...['What came out', 'How it learned', 'What it takes for what', 'Class by class', 'Samples'],
  ...['The worst mistakes', 'How sure it is', 'Images of each class'],
  ...['Images as training sees them', 'Configuration', 'What it ran on', 'The same again'],
]

test('a report on a run holds everything, needs nothing else, and leaves its figures', async (t) => {
  const { dir } = await train(tinyRun(t, { optimizer: { type: 'sgd', lr: 0.02 } }))
  const { file, figures, missing, runs } = await report(dir)
  t.is(file, join(dir, 'report.html'))
  t.deepEqual(missing, [])
  const page = readFileSync(file, 'utf8')
  t.deepEqual(titles(page), SECTIONS)
  t.regex(page, /right in \d+\.\d\u00a0%<\/strong> of\s+the cases/)
  t.regex(page, /residual train --config [^<]*config\.json --out/)

  // Nothing is fetched and no script runs, not even from a file that somebody tampered with.
  t.regex(page, /Content-Security-Policy" content="default-src 'none'; img-src data:/)
  t.notRegex(page, /<script|<link|<iframe|@import|url\((?!#)/i)
  for (const [, address] of page.matchAll(/(?:src|href)="([^"]*)"/g)) {
    t.regex(address as string, /^(data:image\/png;base64,|#)/)
  }
  // Every picture says what it is, and every figure too.
  for (const [image] of page.matchAll(/<img[^>]*>/g)) t.regex(image, / alt="[^"]+"/)
  for (const [, root] of page.matchAll(/<figure class="plot">(<svg[^>]*>)/g)) {
    t.regex(root as string, /role="img" aria-label="[^"]+"/)
  }
  const ids = [...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id)
  t.is(new Set(ids).size, ids.length)

  const expected = ['accuracy', 'augmented', 'certainty', 'class-balance', 'confusion']
  t.deepEqual(Object.keys(figures).sort(), [
    ...[...expected, 'learning-rate', 'loss', 'samples', 'throughput', 'worst'],
  ])
  for (const { svg, png } of Object.values(figures)) {
    t.true(svg.startsWith(join(dir, 'plots')))
    t.regex(readFileSync(svg, 'utf8').slice(0, 10), /^<svg/)
    t.is(readFileSync(png).toString('latin1', 1, 4), 'PNG')
  }
  t.is(runs[0]?.epochs, 2)
})

test('classes and files of any name are shown, and nothing more', async (t) => {
  const parent = folder(t)
  const classes = ['<img src=x onerror=alert(1)>', `"'&amp;]]>`, 'قطة صغيرة', '猫\u202e\u2028']
  const data = imageFolder(parent, classes)
  const config = { data, epochs: 1, out: join(parent, '<b>run') }
  const { dir } = await train(tinyRun(t, config))
  const { file, missing } = await report(dir)
  t.deepEqual(missing, [])
  const page = readFileSync(file, 'utf8')
  t.notRegex(page, /<img src=x|<b>|"'&amp;\]\]>/)
  for (const escaped of ['&#60;img src=x onerror=alert(1)&#62;', '&#34;&#39;&#38;amp;]]&#62;']) {
    t.true(page.includes(`<bdi>${escaped}</bdi>`), escaped)
  }
  t.true(page.includes('<bdi>قطة صغيرة</bdi>'))
})

test('what the run measured at its end is shown, with its pictures, also of images in memory', async (t) => {
  const { data: _, ...config } = tinyRun(t, { epochs: 1 })
  const arrays = { train: part(60), test: part(21) }
  const { dir, test } = await train(config, { arrays })
  let hasMeasured = false
  const { file, missing } = await report(dir, {
    onEvaluate() {
      hasMeasured = true
    },
  })
  t.false(hasMeasured)
  t.deepEqual(
    missing.map(({ section }) => section),
    ['Images as training sees them'],
  )
  const page = readFileSync(file, 'utf8')
  t.regex(page, /On 21 test images/)
  t.true(page.includes(`${((test?.accuracy ?? 0) * 100).toFixed(1)}`))
  const pictures = [...page.matchAll(/<img /g)].length
  t.true(pictures > 21, `${pictures}`)
})

test('what was warned of is told in sentences, each with what to do', async (t) => {
  const dir = makeRun(folder(t))
  const warning = { code: 'E_IMAGE', message: 'a.gif is a GIF image', hint: 'Convert it.' }
  appendFileSync(join(dir, 'metrics.jsonl'), `${JSON.stringify({ type: 'warning', ...warning })}\n`)
  const { file } = await report(dir, { evaluate: false })
  t.regex(readFileSync(file, 'utf8'), /<li>.*a\.gif is a GIF image\. Convert it\./)
})

test('what was kept of another epoch, or was tampered with, counts for nothing', async (t) => {
  const dir = makeRun(folder(t))
  const file = join(dir, 'evaluation.json')
  const whole = { split: 'test', epoch: 4, evaluation: makeEvaluation(['ant', 'bee', 'wasp']) }
  const missing = async (kept: unknown) => {
    writeFileSync(file, JSON.stringify(kept))
    const { missing, file: page } = await report(dir, { evaluate: false })
    t.notRegex(readFileSync(page, 'utf8'), /<b>/)
    return missing.some(({ section }) => section === SECTIONS[2])
  }
  t.false(await missing(whole))
  t.true(await missing({ ...whole, epoch: 3 }))
  t.true(await missing({ ...whole, split: 'val' }))
  const strange: [key: string, value: unknown][] = [
    ['accuracy', '<b>'],
    ['classes', [{ label: '<b>' }]],
    ['confusion', [[1]]],
    ['mostConfused', null],
    ['calibration', { bins: [{}] }],
    ['samples', [7]],
    ['topLosses', [{ ...whole.evaluation.samples[0], thumbnail: { width: 1e6, height: 1 } }]],
  ]
  for (const [key, value] of strange) {
    const evaluation = { ...whole.evaluation, [key]: value }
    t.true(await missing({ ...whole, evaluation }), key)
    t.regex((await readRunFolder(dir)).remarks.join(), /evaluation\.json cannot be read/, key)
  }
})

test('what cannot be made is left out with its reason, and the rest is there', async (t) => {
  const parent = folder(t)
  const data = imageFolder(parent, ['ant', 'bee'])
  const { dir } = await train(tinyRun(t, { data, epochs: 1, out: join(parent, 'run') }))
  rmSync(data, { recursive: true })
  const kept = await report(dir)
  t.deepEqual(
    kept.missing.map(({ section }) => section),
    ['Images as training sees them'],
  )
  rmSync(join(dir, 'evaluation.json'))
  const { file, missing } = await report(dir)
  t.deepEqual(
    missing.map(({ section }) => section),
    [...SECTIONS.slice(2, 7), 'Images as training sees them'],
  )
  t.true(missing.every(({ why }) => why.includes(data)))
  const page = readFileSync(file, 'utf8')
  for (const title of ['Left out', 'How it learned', 'Images of each class']) {
    t.true(titles(page).includes(title), title)
  }

  const moved = imageFolder(folder(t), ['ant', 'bee'])
  const again = await report(dir, { data: moved })
  t.is(again.missing[0]?.section, SECTIONS[2]) // the part that was split off is not found there
  t.false(again.missing.some(({ section }) => section === 'Images as training sees them'))
})

test('a run that has not ended, or not begun, gets a report too', async (t) => {
  const parent = folder(t)
  const dir = makeRun(parent, { finished: false })
  const file = join(dir, 'metrics.jsonl')
  writeFileSync(file, readFileSync(file, 'utf8').slice(0, -20))
  const torn = await report(dir, { evaluate: false })
  const page = readFileSync(torn.file, 'utf8')
  t.regex(page, /has not ended/)
  t.regex(page, /The last line of metrics\.jsonl is cut off/)
  t.is(torn.runs[0]?.epochs, 3)
  t.is(torn.runs[0]?.stopReason, undefined)

  writeFileSync(file, '')
  rmSync(join(dir, 'environment.json'))
  const bare = await report(dir)
  t.true(bare.missing.some(({ section }) => section === 'How it learned'))
  t.true(bare.missing.some(({ section }) => section === 'What it ran on'))
  // Figures of before would be about another run.
  t.false(existsSync(join(dir, 'plots', 'loss.svg')))

  const newer = await report(makeRun(parent, { name: 'newer', version: '9.0.0' }))
  t.regex(readFileSync(newer.file, 'utf8'), /residual 9\.0\.0, which is newer than this/)
})

test('whatever the values of a run folder have become, a page is made or the folder refused', async (t) => {
  const parent = folder(t)
  const dir = makeRun(parent, { epochs: 1, stepsPerEpoch: 2 })
  const other = await readRunFolder(makeRun(parent, { name: 'other' }))
  const strange: [file: string, key: string, value: unknown][] = [
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
  for (const [name, key, value] of strange) {
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

test('several runs are compared: results, curves, and what was not the same', async (t) => {
  const parent = folder(t)
  const config = { batchSize: 64, optimizer: { type: 'adamw', lr: 0.001 } }
  const runs = [
    makeRun(parent, { name: 'one' }),
    makeRun(parent, { name: 'two', epochs: 6, config }),
    makeRun(join(parent, 'deeper'), { name: 'one', finished: false }),
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
  t.regex(page, /4, not ended/)
})

test('what makes no sense is refused, by its name', async (t) => {
  const run = makeRun(folder(t))
  const wrongs: [Parameters<typeof report>, string][] = [
    [[[]], 'E_USAGE'],
    [[''], 'E_USAGE'],
    [[join(run, 'plots')], 'E_CHECKPOINT'],
    [[run, { outt: 'x.html' } as object], 'E_UNKNOWN_KEY'],
    [[run, { evaluate: false, out: join(run, 'config.json', 'x.html') }], 'E_WRITE'],
  ]
  for (const [args, code] of wrongs) {
    await t.throwsAsync(report(...args), { instanceOf: ResidualError, code })
  }
})
