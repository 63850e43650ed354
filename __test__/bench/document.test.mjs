import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { summarize } from '../../scripts/bench/contest.mjs'
import { number, toDocument } from '../../scripts/bench/document.mjs'
import { bars, figure } from '../../scripts/bench/figure.mjs'
import { modelOf } from '../../scripts/bench/machine.mjs'
import { addCase, continueRecord, writeRecord } from '../../scripts/bench/record.mjs'

/** @typedef {import('../../scripts/bench/record.mjs').Record} Record */

const MACHINE = {
  cpu: 'Some Processor (family 6, model 207)',
  cores: 2,
  features: ['avx2', 'avx512f'],
  gigabytes: 24,
  system: 'Linux 6.1',
  versions: { residual: '0.1.0', torch: '2.11.0' },
  commit: 'abc1234',
}
const HEAD = { date: '2026-01-02T03:04:05Z', commit: 'abc1234', rounds: 3, foreign: 0, seconds: 9 }

/** @param {readonly number[]} figures images a second, of slices of 100 images */
const slices = (figures) => figures.map((figure) => ({ items: 100, seconds: 100 / figure }))

const [theirs, ours] = [slices([100, 50, 100]), slices([250, 125, 240])]
const STEP = {
  ...HEAD,
  name: 'train-resnet20',
  title: 'Training step',
  result: {
    ...summarize(
      [
        { key: 'notebook', label: 'PyTorch', peakMegabytes: 1000 },
        { key: 'ours', label: 'residual', peakMegabytes: 500 },
      ],
      [{ ours: 'ours', against: 'notebook', aim: 2.3 }],
      {
        rounds: ours.map((slice, i) => ({ ours: slice, notebook: theirs[i] })),
        repeated: [{ reason: 'ours: 2.50 times as slow as its median', round: {} }],
        stalled: undefined,
      },
      { unit: 'images/s', better: 'higher' },
    ),
    choice: { chosen: 'fp32', options: {}, tried: { fp32: 100, compiled: 'did not answer' } },
  },
}
/** @type {Record} */
const RECORD = {
  format: 1,
  command: 'npm run bench',
  machine: MACHINE,
  cases: [
    STEP,
    {
      ...HEAD,
      name: 'first-step',
      title: 'First step',
      result: summarize(
        [
          { key: 'notebook', label: 'PyTorch' },
          { key: 'ours', label: 'residual' },
        ],
        [{ ours: 'ours', against: 'notebook', aim: 0.4 }],
        {
          rounds: [{ ours: { items: 1, seconds: 2 }, notebook: { items: 1, seconds: 4 } }],
          repeated: [],
          stalled: undefined,
        },
        { unit: 's', better: 'lower' },
      ),
    },
    {
      ...HEAD,
      name: 'event-loop',
      title: 'Event loop',
      result: {
        kind: 'figures',
        figures: [{ label: 'delay, p99', value: 12.5, unit: 'ms', most: 10 }],
      },
    },
    {
      ...HEAD,
      name: 'growth-data',
      title: 'Epoch against images',
      result: {
        ...{ kind: 'growth', x: 'images', y: 'an epoch', exponent: 1.3, flat: true },
        points: [
          { label: '1,000', x: 1000, seconds: 1, megabytes: 100 },
          { label: '2,000', x: 2000, seconds: 2.5, megabytes: 150 },
        ],
      },
    },
    { ...HEAD, name: 'jpeg-folder', title: 'JPEG folder', error: 'cargo build failed' },
  ],
}

/** The cells of the row that begins with a text. */
function row(/** @type {string} */ page, /** @type {string} */ begin) {
  const line = page.split('\n').find((text) => text.startsWith(`| ${begin}`))
  return line?.split('|').map((cell) => cell.trim())
}

test('the page says what was measured, by what, on what', (t) => {
  const page = toDocument(RECORD, 'performance.svg')
  for (const text of ['    npm run bench', MACHINE.cpu, 'torch 2.11.0', '2026-01-02', 'abc1234']) {
    t.true(page.includes(text), text)
  }
  t.regex(page, /!\[.*\]\(performance\.svg\)/)
  t.notRegex(page, /NaN|undefined|Infinity|\[object/)
})

test('a ratio stands beside its aim, and whether it was reached', (t) => {
  const page = toDocument(RECORD, 'performance.svg')
  t.deepEqual(row(page, 'Training step: residual beside PyTorch')?.slice(2, -1), [
    ...['2.50', '2.40', '2.50', '4 %', '≥ 2.3', 'yes'],
  ])
  t.deepEqual(row(page, 'First step: residual beside PyTorch')?.slice(2, -1), [
    ...['0.50', '0.50', '0.50', '0 %', '≤ 0.4', 'no'],
  ])
  t.deepEqual(row(page, 'delay, p99')?.slice(2, -1), ['12.5 ms', '≤ 10, not reached'])
})

test('memory, repeated rounds, growth and what failed are told', (t) => {
  const page = toDocument(RECORD, 'performance.svg')
  t.deepEqual(row(page, 'Training step |')?.slice(2, 5), ['500', '1,000', '0.50'])
  t.true(page.includes('2.50 times as slow as its median'))
  t.true(page.includes('to the power of 1.30: more than linear'))
  t.true(page.includes('1.50 times as much at most, which is not flat'))
  t.true(page.includes('JPEG folder: cargo build failed'))
  t.true(page.includes('compiled (did not answer)'))
})

test('what others used of the machine is told where it matters', (t) => {
  t.false(toDocument(RECORD, '').includes('Other programs'))
  const busy = { ...RECORD, cases: [{ ...STEP, foreign: 0.5 }] }
  t.true(toDocument(busy, '').includes('Other programs used up to 50 % of the machine'))
})

test('the figure shows how many times as fast, of times too', async (t) => {
  const [step, first] = bars(RECORD)
  t.deepEqual([step.ratio, step.low, step.high], [2.5, 2.4, 2.5])
  t.deepEqual([first.name, first.ratio], ['First step', 2])
  const svg = await figure(RECORD)
  t.true(svg.includes('Training step') && svg.includes('First step'))
  t.notRegex(svg, /NaN|Infinity|undefined/)
  t.regex(await figure({ ...RECORD, cases: [] }), /^<svg/)
})

test('numbers have three digits, or all before the point', (t) => {
  const given = [0, 1234.5, 321.4, 32.14, 3.214, 0.03214, 12]
  t.deepEqual(given.map(number), ['0', '1,235', '321', '32.1', '3.21', '0.0321', '12'])
})

test('a case measured again takes its place, on the same machine alone', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'residual-test-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'deep', 'record.json')
  await writeRecord(file, RECORD)
  const now = { command: 'again', machine: { ...MACHINE, commit: 'def5678' } }
  const record = await continueRecord(file, now)
  t.is(record.cases.length, RECORD.cases.length)
  addCase(record, { ...STEP, title: 'Once more' }, ['first-step', 'train-resnet20'])
  t.is(record.cases.length, RECORD.cases.length)
  t.is(record.cases.at(-1)?.title, 'Once more')
  const other = { ...now, machine: { ...MACHINE, cores: 4 } }
  t.deepEqual((await continueRecord(file, other)).cases, [])
  await writeFile(file, 'not JSON')
  t.deepEqual((await continueRecord(file, now)).cases, [])
})

test('a processor whose name is hidden is known by its numbers', (t) => {
  const info = 'processor\t: 0\ncpu family\t: 6\nmodel\t\t: 207\nmodel name\t: Some Processor\n'
  t.is(modelOf(info), 'Some Processor (family 6, model 207)')
  t.is(modelOf(''), undefined)
})
