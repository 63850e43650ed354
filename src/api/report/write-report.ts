import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { writeFigure } from '../../charts/figure-files.js'
import { ResidualError } from '../../errors/errors.js'
import { toPath } from '../../native/arguments/path.js'
import { rankingAccuracy } from '../../report/compare-accuracy.js'
import { renderComparisonReport, uniqueRunLabels } from '../../report/comparison-report.js'
import type { RenderedReport } from '../../report/report-builder.js'
import type { SectionData } from '../../report/report-input.js'
import { renderRunReport } from '../../report/run-report.js'
import { replaceFile } from '../../run-folder/json-files.js'
import { type RunFolder, readRunFolder } from '../../run-folder/run-folder.js'
import { evaluateRun, previewAugmented, storedEvaluation } from './evaluate-run.js'
import type { ReportedRun, ReportOptions, ReportResult } from './report-result.js'

/** Writes the report of one run, or the comparison of several, with its figures. */
export async function writeReport(
  paths: readonly string[],
  options: ReportOptions,
): Promise<ReportResult> {
  const { out, data, evaluate = true, onEvaluate = () => {} } = options
  const runs: RunFolder[] = []
  for (const path of paths) runs.push(await readRunFolder(path))
  const [run] = runs
  if (runs.length > 1 || run === undefined) {
    const file = resolve(out === undefined ? 'comparison.html' : toPath(out, 'out'))
    return await writeFiles(file, plotsFolder(file), await renderComparisonReport(runs), runs)
  }
  const stored = data === undefined ? storedEvaluation(run) : undefined
  const evaluation = stored ?? (evaluate ? await evaluateRun(run, data, onEvaluate) : NOT_EVALUATED)
  const report = await renderRunReport(run, evaluation, await previewAugmented(run, data))
  if (out === undefined) {
    return await writeFiles(join(run.dir, 'report.html'), join(run.dir, 'plots'), report, runs)
  }
  const file = resolve(toPath(out, 'out'))
  return await writeFiles(file, plotsFolder(file), report, runs)
}

const NOT_EVALUATED: SectionData<never> = {
  missing: 'Evaluation was disabled, and the run folder contains no matching evaluation.',
}

function plotsFolder(file: string): string {
  return `${file.replace(/\.html?$/i, '')}-plots`
}

async function writeFiles(
  file: string,
  folder: string,
  { page, figures, imageGrids, skipped }: RenderedReport,
  runs: readonly RunFolder[],
): Promise<ReportResult> {
  removeFigures(folder)
  const files: ReportResult['figures'] = {}
  for (const { name, svg } of figures) files[name] = await writeFigure(folder, name, svg)
  for (const { name, grid } of imageGrids) files[name] = await writeFigure(folder, name, grid.svg)
  replaceFile(file, page)
  return { file, figures: files, skipped, runs: describeRuns(runs) }
}

/**
 * Names of all figures that reports write; other files in the folder are not touched.
 * `crates/runlog/src/folder_state.rs` lists them too, to remove them with their run.
 */
const FIGURES =
  /^((training|validation)-)?(loss|step-loss|accuracy|learning-rate|throughput|confusion-matrix|calibration|class-balance|samples|top-losses|augmented)\.(svg|png)$/

/** Removes the figures of an earlier report, which the new report may not contain. */
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

function describeRuns(runs: readonly RunFolder[]): ReportedRun[] {
  const labels = uniqueRunLabels(runs)
  return runs.map((run, index) => {
    const { dir, name, config, result, epochs } = run
    return {
      name: labels[index] ?? name,
      dir,
      arch: config.model.arch,
      stopReason: result?.stopReason,
      epochs: result?.epochs ?? epochs.length,
      accuracy: rankingAccuracy(run)?.accuracy,
      testAccuracy: result?.test?.accuracy,
      seconds: result?.seconds ?? epochs.at(-1)?.seconds,
    }
  })
}
