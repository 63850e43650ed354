import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { ResidualError } from '../errors.js'
import { type FigureFiles, writeFigure } from '../experiment/curves.js'
import { replaceFile } from '../experiment/files.js'
import type { StopReason } from '../generated.js'
import { toPath } from '../path.js'
import { type RunFolder, readRunFolder } from '../run-folder.js'
import { drawComparison, labelsOf, scoreOf } from './comparison.js'
import { augmentedImages, type Found, keptMeasure, measure } from './measure.js'
import { type Drawn, drawRun } from './single.js'

/** What a report is made from, and where it goes. */
export interface ReportOptions {
  /**
   * The page's file; its figures go beside it, into `<name>-plots/`. Default: `report.html` and
   * `plots/` in the run's folder; for several runs `comparison.html` in the current one.
   */
  out?: string | URL | undefined
  /** Where the images are now, if not where they were when the run was trained. */
  data?: string | undefined
  /**
   * Measure the network on its images where the run has not kept what it measured last, or
   * `data` names other images: about as long as a validation in training. Without, such a run has no
   * confusion matrix and no predictions. Default: true. Of several runs none is measured.
   */
  evaluate?: boolean | undefined
  /** Called before the network is measured. */
  onMeasure?: (() => void) | undefined
}

/** A report that was written. */
export interface ReportResult {
  /** The page, absolute. */
  file: string
  /** Every figure's two files, by its name. */
  figures: Record<string, FigureFiles>
  /** Sections that could not be made, and why. */
  missing: { section: string; why: string }[]
  /** What it is about, in the order in which they were given. */
  runs: ReportedRun[]
}

/** A run as its folder tells it. */
export interface ReportedRun {
  /** The folder's name or, where two have one, its path. */
  name: string
  /** Absolute. */
  dir: string
  arch: string
  /** Undefined where it has not ended. */
  stopReason?: StopReason | undefined
  /** Whole epochs trained. */
  epochs: number
  /** Of the best epoch, on validation images where there are any; undefined before the first. */
  accuracy?: number | undefined
  /** On the test part, where it was measured. */
  testAccuracy?: number | undefined
  /** Of training. */
  seconds?: number | undefined
}

/**
 * Writes a report on a run as one page that needs nothing else, and its figures as SVG and PNG; of
 * several runs, a comparison. Runs that are not done, or whose images are gone, get one without the
 * sections that cannot be made.
 *
 * @example
 * const { file } = await report('runs/photos-resnet18')
 *
 * @param runs one run folder, or several
 * @throws {ResidualError} `E_CHECKPOINT` for what is no run folder, `E_USAGE`, `E_WRITE`
 */
export async function report(
  runs: string | URL | readonly (string | URL)[],
  options: ReportOptions = {},
): Promise<ReportResult> {
  const { out, data, evaluate = true, onMeasure = () => {} } = checked(options)
  const given: readonly (string | URL)[] = Array.isArray(runs) ? runs : [runs]
  if (given.length === 0) throw refuse('runs', 'name at least one run folder')
  const paths = given.map((run, index) => toPath(run, given.length > 1 ? `runs[${index}]` : 'runs'))
  const folders: RunFolder[] = []
  for (const path of paths) folders.push(await readRunFolder(path))
  const [only] = folders
  if (folders.length > 1 || only === undefined) {
    const file = resolve(out === undefined ? 'comparison.html' : toPath(out, 'out'))
    return await write(file, besides(file), await drawComparison(folders), folders)
  }
  const kept = data === undefined ? keptMeasure(only) : undefined
  const measured = kept ?? (evaluate ? await measure(only, data, onMeasure) : NOT_MEASURED)
  const drawn = await drawRun(only, measured, await augmentedImages(only, data))
  if (out === undefined) {
    return await write(join(only.dir, 'report.html'), join(only.dir, 'plots'), drawn, folders)
  }
  const file = resolve(toPath(out, 'out'))
  return await write(file, besides(file), drawn, folders)
}

const NOT_MEASURED: Found<never> = {
  missing: 'The report was asked for without measuring the network.',
}

const KEYS = ['out', 'data', 'evaluate', 'onMeasure']

function checked(options: ReportOptions): ReportOptions {
  const unknown = Object.keys(options).find((key) => !KEYS.includes(key))
  if (unknown !== undefined) {
    throw new ResidualError({
      code: 'E_UNKNOWN_KEY',
      message: `there is no option \`${unknown}\``,
      at: { key: unknown },
      hint: `Known: ${KEYS.join(', ')}.`,
    })
  }
  return options
}

function refuse(key: string, message: string): ResidualError {
  return new ResidualError({ code: 'E_USAGE', message, at: { key } })
}

function besides(file: string): string {
  return `${file.replace(/\.html?$/i, '')}-plots`
}

async function write(
  file: string,
  folder: string,
  { page, figures, pictures, missing }: Drawn,
  runs: readonly RunFolder[],
): Promise<ReportResult> {
  removeFigures(folder)
  const files: ReportResult['figures'] = {}
  for (const { name, svg } of figures) files[name] = await writeFigure(folder, name, svg)
  for (const { name, picture } of pictures) {
    files[name] = await writeFigure(folder, name, picture.svg)
  }
  replaceFile(file, page)
  return { file, figures: files, missing, runs: reported(runs) }
}

/** What a report draws; nothing else in its folder is touched. */
const FIGURES =
  /^((training|validation)-)?(loss|step-loss|accuracy|learning-rate|throughput|confusion|certainty|class-balance|samples|worst|augmented)\.(svg|png)$/

/** Those of an earlier report, which may have been about another state of the run. */
function removeFigures(folder: string): void {
  if (!existsSync(folder)) return
  try {
    for (const name of readdirSync(folder)) {
      if (FIGURES.test(name)) rmSync(join(folder, name), { force: true })
    }
  } catch (cause) {
    const message = `the figures in ${folder} could not be replaced: ${(cause as Error).message}`
    throw new ResidualError({ code: 'E_WRITE', message, at: { file: folder } }, { cause })
  }
}

function reported(runs: readonly RunFolder[]): ReportedRun[] {
  const labels = labelsOf(runs)
  return runs.map((run, index) => {
    const { dir, name, config, result, epochs } = run
    const score = scoreOf(run)
    return {
      name: labels[index] ?? name,
      dir,
      arch: config.model.arch,
      stopReason: result?.stopReason,
      epochs: result?.epochs ?? epochs.length,
      accuracy: score < 0 ? undefined : score,
      testAccuracy: result?.test?.accuracy,
      seconds: result?.seconds ?? epochs.at(-1)?.seconds,
    }
  })
}
