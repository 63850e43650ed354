import { join, resolve } from 'node:path'
import { type FigureFiles, writeFigure } from '../charts/figure-files.js'
import { lineChart } from '../charts/line-chart.js'
import { ResidualError } from '../errors/errors.js'
import type { TrainConfig } from '../native/generated.js'
import { replaceFile } from '../run-folder/json-files.js'
import { errorCurves, errorDomain } from './error-curves.js'
import { type MeanStd, meanStd } from './mean-std.js'
import {
  type ExperimentOptions,
  type Member,
  type MemberPlan,
  trainMembers,
} from './member-runs.js'
import { formatMeanStd, formatPercent, type Table, toCsv, toMarkdown } from './result-table.js'
import { checkSeeds, dataSetName, withFixedSplit } from './seeds.js'

/** What to train, and how often. */
export interface RepeatConfig extends Omit<TrainConfig, 'resume'> {
  /** How many runs, seeded `seed`, `seed + 1`, ... Default: 5, as often as the paper repeats. */
  seeds?: number | undefined
}

/** What `experiment.repeat()` gives; the same is in result.json. Accuracies are shares, 0 to 1. */
export interface RepeatResult {
  /** The experiment's folder, absolute. */
  dir: string
  seeds: number[]
  /** The run folders, absolute, in the order of the seeds. */
  runs: string[]
  /** Of the last epoch, its mean on augmented training images. */
  trainAccuracy: MeanStd
  /** Of the best epoch; null without a validation part. */
  valAccuracy: MeanStd | null
  /** Of the best epoch's checkpoint; null without a test part. */
  testAccuracy: MeanStd | null
  /** The run that is best on the validation part, or in training where there is none. */
  best: { seed: number; checkpoint: string }
  /** Training and validation error against updates; a band of one deviation around the mean. */
  figure: FigureFiles
  /** The table as Markdown and CSV, absolute paths. */
  table: { markdown: string; csv: string }
  seconds: number
}

/** See {@link Experiments.repeat}. */
export async function repeat(
  config: RepeatConfig,
  options: ExperimentOptions = {},
): Promise<RepeatResult> {
  const { seeds = 5, seed = 0, out, overwrite = false, ...said } = config
  checkSeeds(seeds)
  refuseResume(said)
  const dir = resolve(!out || out === 'auto' ? `runs/repeat-${dataSetName(said.data)}` : out)
  const plans = Array.from({ length: seeds }, (_, index): MemberPlan => {
    const own = { ...said, data: withFixedSplit(said.data), seed: seed + index }
    return { name: `seed${own.seed}`, config: own }
  })
  return await report(dir, await trainMembers('repeat', dir, plans, { overwrite, ...options }))
}

async function report(dir: string, members: readonly Member[]): Promise<RepeatResult> {
  const rows = members.map(({ name, dir, start, epochs, result }) => {
    const last = epochs.at(-1)
    if (last === undefined || result.best === null) {
      const message = `${name} ended before anything was measured`
      throw new ResidualError({ code: 'E_CONFIG', message, at: { key: 'budget' } })
    }
    return {
      seed: start.config.seed,
      dir,
      train: last.train.accuracy,
      val: last.val === null ? null : result.best.accuracy,
      test: result.test?.accuracy ?? null,
      best: result.best,
      seconds: result.seconds,
    }
  })
  const spreadOf = (values: readonly (number | null)[]) => {
    const there = values.filter((value) => value !== null)
    return there.length === 0 ? null : meanStd(there, Math.max)
  }
  const best = rows.reduce((a, b) => (b.best.accuracy > a.best.accuracy ? b : a))
  const measured = {
    trainAccuracy: spreadOf(rows.map((row) => row.train)) as MeanStd,
    valAccuracy: spreadOf(rows.map((row) => row.val)),
    testAccuracy: spreadOf(rows.map((row) => row.test)),
  }

  const arch = members[0]?.start.config.model.arch ?? ''
  const series = errorCurves(arch, members)
  const svg = await lineChart({
    title: `${arch}, ${members.length} seeds`,
    x: { title: 'updates', format: '~s' },
    y: { title: 'error (%)', domain: errorDomain(series) },
    series,
  })
  const figure = await writeFigure(dir, 'repeat', svg)
  const cell = (value: number | null) => (value === null ? '-' : formatPercent(value))
  const whole = (value: MeanStd | null) => (value === null ? '-' : formatMeanStd(value))
  const { trainAccuracy, valAccuracy, testAccuracy } = measured
  const all = [trainAccuracy, valAccuracy, testAccuracy]
  const table: Table = {
    heading: ['seed', 'training (%)', 'validation (%)', 'test (%)', 'seconds'],
    rows: [
      ...rows.map(({ seed, train, val, test, seconds }) => [
        String(seed),
        ...[train, val, test].map(cell),
        seconds.toFixed(0),
      ]),
      ['mean', ...all.map(whole), ''],
      ['best', ...all.map((value) => cell(value?.best ?? null)), ''],
    ],
    notes: notes(members),
  }
  const files = { markdown: join(dir, 'table.md'), csv: join(dir, 'table.csv') }
  replaceFile(files.markdown, toMarkdown(table))
  replaceFile(files.csv, toCsv(table))
  const result: RepeatResult = {
    dir,
    seeds: rows.map((row) => row.seed),
    runs: rows.map((row) => row.dir),
    ...measured,
    best: { seed: best.seed, checkpoint: best.best.checkpoint },
    figure,
    table: files,
    seconds: rows.reduce((sum, row) => sum + row.seconds, 0),
  }
  replaceFile(join(dir, 'result.json'), `${JSON.stringify(result, null, 2)}\n`)
  return result
}

function notes(members: readonly Member[]): string[] {
  const [first] = members
  if (first === undefined) return []
  const { config, data, trainImages, valImages, testImages } = first.start
  const split =
    valImages > 0 && data.val === 0
      ? ` The same validation images for all seeds (data.splitSeed ${config.data.splitSeed}).`
      : ''
  return [
    `Accuracy of ${config.model.arch} on ${data.source}: ${trainImages} training, ${valImages} validation and ${testImages} test images.${split}`,
    'Training: mean over the last epoch, on augmented images. Validation: of the best epoch. Test: of its checkpoint. Mean ± sample deviation.',
  ]
}

function refuseResume(said: object): void {
  if (!('resume' in said) || said.resume === undefined) return
  throw new ResidualError({
    code: 'E_CONFIG',
    message: '`resume` names one run, and an experiment has several',
    at: { key: 'resume' },
    hint: 'Give the same `out` again: what is there is gone on with.',
  })
}
