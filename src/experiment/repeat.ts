import { join, resolve } from 'node:path'
import { type FigureFiles, writeFigure } from '../charts/figure-files.js'
import { lineChart } from '../charts/line-chart.js'
import { ResidualError } from '../errors/errors.js'
import type { TrainConfig } from '../native/generated.js'
import { replaceFile } from '../run-folder/json-files.js'
import { errorCurves, errorDomain } from './error-curves.js'
import {
  type ExperimentOptions,
  type ExperimentRun,
  type PlannedRun,
  trainRuns,
} from './experiment-runs.js'
import { type MeanStd, meanStd } from './mean-std.js'
import { formatMeanStd, formatPercent, type Table, toCsv, toMarkdown } from './result-table.js'
import { checkSeeds, dataSetName, withFixedSplit } from './seeds.js'

/** Configuration of `experiment.repeat()`. */
export interface RepeatConfig extends Omit<TrainConfig, 'resume'> {
  /** Number of runs, with the seeds `seed`, `seed + 1`, ... Default: 5, as in the paper. */
  seeds?: number | undefined
}

/** Result of `experiment.repeat()`, also in result.json. Accuracies are fractions, 0 to 1. */
export interface RepeatResult {
  /** Absolute path of the experiment's folder. */
  dir: string
  seeds: number[]
  /** Absolute paths of the run folders, in the order of the seeds. */
  runs: string[]
  /** Training accuracy of the last epoch on augmented images, averaged over its batches. */
  trainAccuracy: MeanStd
  /** Validation accuracy of the best epoch; null without a validation split. */
  valAccuracy: MeanStd | null
  /** Test accuracy of the best checkpoint; null without a test split. */
  testAccuracy: MeanStd | null
  /** The run with the best validation accuracy, or training accuracy without a validation split. */
  best: { seed: number; checkpoint: string }
  /** Training and validation error by step, with a band of one standard deviation. */
  figure: FigureFiles
  /** Absolute paths of the files with the table. */
  table: { markdown: string; csv: string }
  /** Training time of all runs in seconds. */
  seconds: number
}

/** See {@link Experiments.repeat}. */
export async function repeat(
  config: RepeatConfig,
  options: ExperimentOptions = {},
): Promise<RepeatResult> {
  const { seeds = 5, seed = 0, out, overwrite = false, ...runConfig } = config
  checkSeeds(seeds)
  rejectResume(runConfig)
  const dir = resolve(!out || out === 'auto' ? `runs/repeat-${dataSetName(runConfig.data)}` : out)
  const plans = Array.from({ length: seeds }, (_, index): PlannedRun => {
    const config = { ...runConfig, data: withFixedSplit(runConfig.data), seed: seed + index }
    return { name: `seed${config.seed}`, config }
  })
  return await writeResult(dir, await trainRuns('repeat', dir, plans, { overwrite, ...options }))
}

/** Metrics of one run. */
interface SeedResult {
  seed: number
  dir: string
  train: number
  val: number | null
  test: number | null
  best: { accuracy: number; checkpoint: string }
  seconds: number
}

async function writeResult(dir: string, runs: readonly ExperimentRun[]): Promise<RepeatResult> {
  const rows = runs.map(seedResult)
  const best = rows.reduce((a, b) => (b.best.accuracy > a.best.accuracy ? b : a))
  const accuracies = {
    trainAccuracy: statistics(rows.map((row) => row.train)) as MeanStd,
    valAccuracy: statistics(rows.map((row) => row.val)),
    testAccuracy: statistics(rows.map((row) => row.test)),
  }
  const table = resultTable(rows, accuracies, runs)
  const files = { markdown: join(dir, 'table.md'), csv: join(dir, 'table.csv') }
  const result: RepeatResult = {
    dir,
    seeds: rows.map((row) => row.seed),
    runs: rows.map((row) => row.dir),
    ...accuracies,
    best: { seed: best.seed, checkpoint: best.best.checkpoint },
    figure: await plotErrors(dir, runs),
    table: files,
    seconds: rows.reduce((sum, row) => sum + row.seconds, 0),
  }
  replaceFile(files.markdown, toMarkdown(table))
  replaceFile(files.csv, toCsv(table))
  replaceFile(join(dir, 'result.json'), `${JSON.stringify(result, null, 2)}\n`)
  return result
}

function seedResult({ name, dir, start, epochs, result }: ExperimentRun): SeedResult {
  const last = epochs.at(-1)
  if (last === undefined || result.best === null) {
    const message = `${name} ended before its first epoch was complete`
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
}

function statistics(accuracies: readonly (number | null)[]): MeanStd | null {
  const values = accuracies.filter((accuracy) => accuracy !== null)
  // Of accuracies, the highest is the best; the default is that of errors, the lowest.
  return values.length === 0 ? null : meanStd(values, Math.max)
}

async function plotErrors(dir: string, runs: readonly ExperimentRun[]): Promise<FigureFiles> {
  const arch = runs[0]?.start.config.model.arch ?? ''
  const series = errorCurves(arch, runs)
  const svg = await lineChart({
    title: `${arch}, ${runs.length} seeds`,
    x: { title: 'steps', format: '~s' },
    y: { title: 'error (%)', domain: errorDomain(series) },
    series,
  })
  return await writeFigure(dir, 'repeat', svg)
}

function resultTable(
  rows: readonly SeedResult[],
  accuracies: Pick<RepeatResult, 'trainAccuracy' | 'valAccuracy' | 'testAccuracy'>,
  runs: readonly ExperimentRun[],
): Table {
  const cell = (value: number | null) => (value === null ? '-' : formatPercent(value))
  const { trainAccuracy, valAccuracy, testAccuracy } = accuracies
  const columns = [trainAccuracy, valAccuracy, testAccuracy]
  return {
    header: ['seed', 'training (%)', 'validation (%)', 'test (%)', 'time (s)'],
    rows: [
      ...rows.map(({ seed, train, val, test, seconds }) => [
        String(seed),
        ...[train, val, test].map(cell),
        seconds.toFixed(0),
      ]),
      ['mean', ...columns.map((value) => (value === null ? '-' : formatMeanStd(value))), ''],
      ['max', ...columns.map((value) => cell(value?.best ?? null)), ''],
    ],
    notes: tableNotes(runs),
  }
}

function tableNotes(runs: readonly ExperimentRun[]): string[] {
  const [first] = runs
  if (first === undefined) return []
  const { config, data, trainImages, valImages, testImages } = first.start
  // Without a validation split in the data set, validation images are held out by `splitSeed`.
  const split =
    valImages > 0 && data.val === 0
      ? ` All seeds have the same validation images (data.splitSeed ${config.data.splitSeed}).`
      : ''
  return [
    `Accuracy of ${config.model.arch} on ${data.source}: ${trainImages} training, ${valImages} validation and ${testImages} test images.${split}`,
    'Training: mean of the last epoch, on augmented images. Validation: best epoch. Test: checkpoint of the best epoch. Mean ± sample standard deviation; max: maximum of each column.',
  ]
}

function rejectResume(config: object): void {
  if (!('resume' in config) || config.resume === undefined) return
  throw new ResidualError({
    code: 'E_CONFIG',
    message: '`resume` names one run, but an experiment has several',
    at: { key: 'resume' },
    hint: 'Repeat the call with the same `out` to resume its unfinished runs.',
  })
}
