import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { summarize } from '../../scripts/bench/comparison.mjs'
import { number, toDocument } from '../../scripts/bench/document.mjs'
import { renderFigure, toBars } from '../../scripts/bench/figure.mjs'
import { modelOf } from '../../scripts/bench/machine.mjs'
import { addCase, continueRecord, writeRecord } from '../../scripts/bench/record.mjs'

/** @typedef {import('../../scripts/bench/record.mjs').BenchRecord} BenchRecord */

const MACHINE = {
  cpu: 'Some Processor (family 6, model 207)',
  cores: 2,
  features: ['avx2', 'avx512f'],
  gigabytes: 24,
  system: 'Linux 6.1',
  versions: { residual: '0.1.0', torch: '2.11.0' },
  commit: 'abc1234',
}
const HEAD = {
  date: '2026-01-02T03:04:05Z',
  commit: 'abc1234',
  rounds: 3,
  otherLoad: 0,
  seconds: 9,
}

/** @param {readonly number[]} rates images per second, of slices of 100 images */
const slices = (rates) => rates.map((rate) => ({ items: 100, seconds: 100 / rate }))

const [eager, residual] = [slices([100, 50, 100]), slices([250, 125, 240])]
const STEP = {
  ...HEAD,
  name: 'train-resnet20',
  title: 'Training step',
  result: {
    ...summarize(
      [
        { key: 'pytorch-eager', label: 'PyTorch', peakMegabytes: 1000 },
        { key: 'residual', label: 'residual', peakMegabytes: 500 },
      ],
      [{ subject: 'residual', baseline: 'pytorch-eager', target: 2.3 }],
      {
        rounds: residual.map((slice, i) => ({ residual: slice, 'pytorch-eager': eager[i] })),
        repeated: [{ reason: 'residual: 2.50 times its median time', round: {} }],
        disturbed: undefined,
      },
      { unit: 'images/s', better: 'higher' },
    ),
    choice: { chosen: 'fp32', options: {}, tried: { fp32: 100, compiled: 'did not respond' } },
  },
}
/** @type {BenchRecord} */
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
          { key: 'pytorch-eager', label: 'PyTorch' },
          { key: 'residual', label: 'residual' },
        ],
        [{ subject: 'residual', baseline: 'pytorch-eager', target: 0.4 }],
        {
          rounds: [
            { residual: { items: 1, seconds: 2 }, 'pytorch-eager': { items: 1, seconds: 4 } },
          ],
          repeated: [],
          disturbed: undefined,
        },
        { unit: 's', better: 'lower' },
      ),
    },
    {
      ...HEAD,
      name: 'event-loop',
      title: 'Event loop',
      result: {
        kind: 'measurements',
        measurements: [{ label: 'delay, p99', value: 12.5, unit: 'ms', limit: 10 }],
      },
    },
    {
      ...HEAD,
      name: 'scaling-data',
      title: 'Epoch against images',
      result: {
        ...{ kind: 'scaling', x: 'images', y: 'epoch', exponent: 1.3, constantMemory: true },
        points: [
          { label: '1,000', x: 1000, seconds: 1, megabytes: 100 },
          { label: '2,000', x: 2000, seconds: 2.5, megabytes: 150 },
        ],
      },
    },
    { ...HEAD, name: 'jpeg-folder', title: 'JPEG folder', error: 'cargo build failed' },
  ],
}

/** Returns the cells of the row that starts with a text. */
function row(/** @type {string} */ page, /** @type {string} */ start) {
  const line = page.split('\n').find((text) => text.startsWith(`| ${start}`))
  return line?.split('|').map((cell) => cell.trim())
}

test('the page names the command, the machine and the versions', (t) => {
  const page = toDocument(RECORD, 'performance.svg')
  for (const text of ['    npm run bench', MACHINE.cpu, 'torch 2.11.0', '2026-01-02', 'abc1234']) {
    t.true(page.includes(text), text)
  }
  t.regex(page, /!\[.*\]\(performance\.svg\)/)
  t.notRegex(page, /NaN|undefined|Infinity|\[object/)
})

test('shows ratios with their targets, and whether the targets are reached', (t) => {
  const page = toDocument(RECORD, 'performance.svg')
  t.deepEqual(row(page, 'Training step: residual / PyTorch')?.slice(2, -1), [
    ...['2.50', '2.40', '2.50', '4 %', '≥ 2.3', 'yes'],
  ])
  t.deepEqual(row(page, 'First step: residual / PyTorch')?.slice(2, -1), [
    ...['0.50', '0.50', '0.50', '0 %', '≤ 0.4', 'no'],
  ])
  t.deepEqual(row(page, 'delay, p99')?.slice(2, -1), ['12.5 ms', '≤ 10, not reached'])
})

test('the page shows memory, repeated rounds, scaling and failures', (t) => {
  const page = toDocument(RECORD, 'performance.svg')
  t.deepEqual(row(page, 'Training step |')?.slice(2, 5), ['500', '1,000', '0.50'])
  t.true(page.includes('2.50 times its median time'))
  t.true(page.includes('to the power of 1.30: superlinear'))
  t.true(page.includes('maximum / minimum 1.50, not constant'))
  t.true(page.includes('JPEG folder: cargo build failed'))
  t.true(page.includes('compiled (did not respond)'))
})

test('a high load of other processes is reported', (t) => {
  t.false(toDocument(RECORD, '').includes('Other processes'))
  const busy = { ...RECORD, cases: [{ ...STEP, otherLoad: 0.5 }] }
  t.true(toDocument(busy, '').includes('Other processes used up to 50 % of the machine'))
})

test('the figure shows speedups, also for times', async (t) => {
  const [step, first] = toBars(RECORD)
  t.deepEqual([step.ratio, step.low, step.high], [2.5, 2.4, 2.5])
  t.deepEqual([first.name, first.ratio], ['First step', 2])
  const svg = await renderFigure(RECORD)
  t.true(svg.includes('Training step') && svg.includes('First step'))
  t.notRegex(svg, /NaN|Infinity|undefined/)
  t.regex(await renderFigure({ ...RECORD, cases: [] }), /^<svg/)
})

test('numbers have three significant digits, or all digits before the point', (t) => {
  const values = [0, 1234.5, 321.4, 32.14, 3.214, 0.03214, 12]
  t.deepEqual(values.map(number), ['0', '1,235', '321', '32.1', '3.21', '0.0321', '12'])
})

test('a repeated case replaces its earlier result, on the same machine only', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'residual-test-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'deep', 'record.json')
  await writeRecord(file, RECORD)
  const current = { command: 'second command', machine: { ...MACHINE, commit: 'def5678' } }
  const record = await continueRecord(file, current)
  t.is(record.cases.length, RECORD.cases.length)
  addCase(record, { ...STEP, title: 'Repeated step' }, ['first-step', 'train-resnet20'])
  t.is(record.cases.length, RECORD.cases.length)
  t.is(record.cases.at(-1)?.title, 'Repeated step')
  const otherMachine = { ...current, machine: { ...MACHINE, cores: 4 } }
  t.deepEqual((await continueRecord(file, otherMachine)).cases, [])
  await writeFile(file, 'not JSON')
  t.deepEqual((await continueRecord(file, current)).cases, [])
})

test('a processor is described by its name, family and model', (t) => {
  const info = 'processor\t: 0\ncpu family\t: 6\nmodel\t\t: 207\nmodel name\t: Some Processor\n'
  t.is(modelOf(info), 'Some Processor (family 6, model 207)')
  t.is(modelOf(''), undefined)
})
