import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { writeFigure } from '../charts/figure-files.js'
import { ResidualError } from '../errors/errors.js'
import { toPath } from '../native/arguments/path.js'
import { replaceFile } from '../run-folder/json-files.js'
import { type RunFolder, readRunFolder } from '../run-folder/run-folder.js'
import { drawComparison, labelsOf, scoreOf } from './comparison-report.js'
import { augmentedImages, type Found, keptMeasure, measure } from './evaluate-run.js'
import type { ReportedRun, ReportOptions, ReportResult } from './report-result.js'
import { type Drawn, drawRun } from './run-report.js'

/** Writes the page on the runs in these folders, and its figures. */
export async function write(
  paths: readonly string[],
  options: ReportOptions,
): Promise<ReportResult> {
  const { out, data, evaluate = true, onMeasure = () => {} } = options
  const folders: RunFolder[] = []
  for (const path of paths) folders.push(await readRunFolder(path))
  const [only] = folders
  if (folders.length > 1 || only === undefined) {
    const file = resolve(out === undefined ? 'comparison.html' : toPath(out, 'out'))
    return await writeDrawn(file, besides(file), await drawComparison(folders), folders)
  }
  const kept = data === undefined ? keptMeasure(only) : undefined
  const measured = kept ?? (evaluate ? await measure(only, data, onMeasure) : NOT_MEASURED)
  const drawn = await drawRun(only, measured, await augmentedImages(only, data))
  if (out === undefined) {
    return await writeDrawn(join(only.dir, 'report.html'), join(only.dir, 'plots'), drawn, folders)
  }
  const file = resolve(toPath(out, 'out'))
  return await writeDrawn(file, besides(file), drawn, folders)
}

const NOT_MEASURED: Found<never> = {
  missing: 'The report was asked for without measuring the network.',
}

function besides(file: string): string {
  return `${file.replace(/\.html?$/i, '')}-plots`
}

async function writeDrawn(
  file: string,
  folder: string,
  { page, figures, pictures, skipped }: Drawn,
  runs: readonly RunFolder[],
): Promise<ReportResult> {
  removeFigures(folder)
  const files: ReportResult['figures'] = {}
  for (const { name, svg } of figures) files[name] = await writeFigure(folder, name, svg)
  for (const { name, picture } of pictures) {
    files[name] = await writeFigure(folder, name, picture.svg)
  }
  replaceFile(file, page)
  return { file, figures: files, skipped, runs: reported(runs) }
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
