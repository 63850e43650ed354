import { type GridTile, makeGrid } from '../image-grid/grid.js'
import { renderPredictions } from '../image-grid/render-predictions.js'
import { SPLIT_NAMES } from '../native/split-names.js'
import type { RunFolder } from '../run-folder/run-folder.js'
import { wilsonInterval } from '../statistics/proportion.js'
import { formatCount, formatDuration, formatInterval, formatPercent } from './html/format.js'
import { type Content, type Html, html, isolate } from './html/html.js'
import { renderFooter, renderPage } from './html/page.js'
import { joinSentences } from './html/sentences.js'
import { collapsible } from './html/table.js'
import { type RenderedReport, ReportBuilder } from './report-builder.js'
import type { SectionData, SplitEvaluation } from './report-input.js'
import { calibrationFigure } from './sections/calibration.js'
import { classBalanceFigure, type SplitCounts } from './sections/class-balance.js'
import {
  configurationTables,
  environmentTable,
  reproduceCommand,
} from './sections/configuration.js'
import { confusedPairsTable, confusionMatrixFigure } from './sections/confusion-matrix.js'
import { renderExamples, renderTiles } from './sections/example-images.js'
import { perClassTable } from './sections/per-class.js'
import { summaryParagraphs } from './sections/summary.js'
import { epochTable, trainingCurves } from './sections/training-curves.js'

/** Maximum number of warnings that are listed; the rest is counted. */
const MAX_WARNINGS = 50

/** Sections that need an evaluation, with their titles. */
const EVALUATION_SECTIONS = {
  confusion: 'Confusion matrix',
  classes: 'Per-class accuracy',
  samples: 'Sample predictions',
  losses: 'Highest losses',
  calibration: 'Calibration',
} as const

/**
 * Renders the report of one run.
 *
 * @param evaluation metrics on one split
 * @param augmented augmented training images
 */
export async function renderRunReport(
  run: RunFolder,
  evaluation: SectionData<SplitEvaluation>,
  augmented: SectionData<GridTile[]>,
): Promise<RenderedReport> {
  const report = new ReportBuilder()
  const splitEvaluation = 'value' in evaluation ? evaluation.value : undefined
  // Run folders of older versions have no class counts.
  const trainCounts: number[] | undefined = run.start?.trainClassCounts

  report.add('summary', 'Summary', summaryParagraphs(run, splitEvaluation, trainCounts))
  await addTrainingCurves(report, run)
  if ('value' in evaluation) {
    await addEvaluation(report, run, evaluation.value, trainCounts)
  } else {
    for (const [id, title] of Object.entries(EVALUATION_SECTIONS)) report.add(id, title, evaluation)
  }
  await addData(report, run, splitEvaluation, augmented)
  addRunDetails(report, run, splitEvaluation)

  if (report.skipped.length > 0) {
    const content = renderSkipped(report.skipped)
    report.sections.splice(1, 0, { id: 'missing', title: 'Missing sections', content })
  }
  const title = `${run.config.model.arch} on ${dataSetTitle(run.config.data.source)}`
  const footer = renderFooter(run.environment.residual)
  const { figures, imageGrids, skipped } = report
  const page = renderPage(title, renderHeader(run, splitEvaluation), report.sections, footer)
  return { page, figures, imageGrids, skipped }
}

async function addTrainingCurves(report: ReportBuilder, run: RunFolder): Promise<void> {
  const title = 'Training curves'
  if (run.epochs.length === 0) {
    report.add('curves', title, { missing: 'No epoch has been completed yet.' })
    return
  }
  const plots = report.plots(await trainingCurves(run))
  report.add('curves', title, [plots, collapsible('Show data', epochTable(run))])
}

async function addEvaluation(
  report: ReportBuilder,
  run: RunFolder,
  { evaluation, split }: SplitEvaluation,
  trainCounts: readonly number[] | undefined,
): Promise<void> {
  const titles = EVALUATION_SECTIONS
  const source = String(run.config.data.source ?? '')
  const images = `${formatCount(evaluation.count)} ${SPLIT_NAMES[split]} images`
  report.add('confusion', titles.confusion, [
    html`<p>Predictions on ${images}.</p>`,
    report.plots(
      [await confusionMatrixFigure(evaluation)],
      confusedPairsTable(evaluation) ?? html`<p>All images were classified correctly.</p>`,
    ),
  ])
  report.add('classes', titles.classes, [
    html`<p>Accuracy (recall) is the fraction of the images of a class that are classified correctly.
Precision is the fraction of the images predicted as a class that belong to it. F1 is the harmonic
mean of precision and recall.</p>`,
    perClassTable(evaluation, trainCounts),
  ])
  report.add('samples', titles.samples, [
    html`<p>${formatCount(evaluation.samples.length)} images, spread evenly over the split. ✓ marks a
correct prediction, ✗ a wrong prediction with the predicted class. Percentages are confidences.</p>`,
    renderExamples(evaluation.samples, source),
  ])
  if (evaluation.samples.length > 0) {
    report.addImageGrid('samples', renderPredictions(evaluation.samples))
  }
  const wrong = evaluation.topLosses.filter(({ label, predicted }) => label !== predicted)
  const shown = wrong.length > 0 ? wrong : evaluation.topLosses
  const description =
    wrong.length > 0
      ? 'Misclassified images with the highest losses. Some of them may have a wrong label.'
      : 'No image was misclassified. These images have the highest losses.'
  report.add('losses', titles.losses, [html`<p>${description}</p>`, renderExamples(shown, source)])
  if (shown.length > 0) report.addImageGrid('top-losses', renderPredictions(shown))
  const calibration = await calibrationFigure(evaluation)
  report.add('calibration', titles.calibration, report.plots([calibration]))
}

async function addData(
  report: ReportBuilder,
  run: RunFolder,
  evaluation: SplitEvaluation | undefined,
  augmented: SectionData<GridTile[]>,
): Promise<void> {
  const balanceTitle = 'Images per class'
  const splits = splitCounts(run, evaluation)
  const classes = run.start?.data.classes ?? []
  if (splits.length === 0 || classes.length === 0) {
    const missing = 'The run folder does not contain the number of images per class.'
    report.add('balance', balanceTitle, { missing })
  } else {
    report.add('balance', balanceTitle, report.plots([await classBalanceFigure(classes, splits)]))
  }

  const title = 'Augmented training images'
  if ('missing' in augmented) {
    report.add('augmented', title, augmented)
  } else if (augmented.value.length === 0) {
    report.add('augmented', title, { missing: 'There are no training images.' })
  } else {
    const mix = run.config.transform?.mix?.type
    const note =
      mix !== undefined && mix !== 'none'
        ? ` They are shown before ${mix}, which is applied to batches.`
        : ''
    const cropNote =
      run.config.transform?.crop?.type === 'random-resized'
        ? html` Each is a random crop, which may show only background. If most do, use larger
crops: <code>transform.crop.scale=[0.5,1]</code>.`
        : undefined
    report.add('augmented', title, [
      html`<p>Training images after random augmentation.${cropNote}${note}</p>`,
      renderTiles(augmented.value),
    ])
    const tiles = augmented.value.map(({ image, caption }) => ({ image, caption }))
    report.addImageGrid('augmented', makeGrid(tiles))
  }
}

/** Returns the images per class of the training split and of the evaluated split, if known. */
function splitCounts(run: RunFolder, evaluation: SplitEvaluation | undefined): SplitCounts[] {
  const splits: SplitCounts[] = []
  if (run.start?.trainClassCounts) {
    splits.push({ split: SPLIT_NAMES.train, counts: run.start.trainClassCounts })
  }
  if (evaluation !== undefined && evaluation.split !== 'train') {
    const counts = evaluation.evaluation.classes.map(({ count }) => count)
    splits.push({ split: SPLIT_NAMES[evaluation.split], counts })
  }
  return splits
}

function addRunDetails(
  report: ReportBuilder,
  run: RunFolder,
  evaluation: SplitEvaluation | undefined,
): void {
  report.add('configuration', 'Configuration', configurationTables(run))
  const hasEnvironment = Object.keys(run.environment).length > 0
  const missing = 'The run folder does not contain environment.json.'
  report.add(
    'environment',
    'Environment',
    hasEnvironment ? environmentTable(run.environment) : { missing },
  )
  report.add('reproduce', 'Reproduce this run', renderReproduce(run))
  const issues = [...run.issues]
  const unreadable = evaluation?.evaluation.broken ?? 0
  if (unreadable > 0) {
    issues.push(`${formatCount(unreadable)} images could not be read during evaluation.`)
  }
  if (run.warnings.length + issues.length > 0) {
    report.add('warnings', 'Warnings', renderWarnings(run, issues))
  }
}

/** Lists missing sections, grouped by reason. */
function renderSkipped(skipped: RenderedReport['skipped']): Html {
  const byReason = new Map<string, string[]>()
  for (const { section, reason } of skipped) {
    byReason.set(reason, [...(byReason.get(reason) ?? []), section])
  }
  const items = [...byReason].map(
    ([reason, sections]) =>
      html`<p class="note"><strong>${sections.join(', ')}.</strong> ${reason}</p>\n`,
  )
  return html`${items}`
}

/** Returns the last part of the path of a data set, for titles. */
export function dataSetTitle(source: string | undefined): string {
  return (
    String(source ?? '')
      .replace(/[\\/]+$/, '')
      .split(/[\\/]/)
      .at(-1) || 'images'
  )
}

function renderHeader(run: RunFolder, evaluation: SplitEvaluation | undefined): Html {
  const { result, epochs, start, config } = run
  const best = result?.best ?? undefined
  const [accuracyLabel, accuracy] = headlineAccuracy(run, evaluation)
  const seconds = result?.seconds ?? epochs.at(-1)?.seconds
  const planned = config.epochs ? ` of ${formatCount(config.epochs)}` : ''
  const throughput = result?.imagesPerSecond ?? epochs.at(-1)?.imagesPerSecond
  const tiles: [label: string, value: string][] = [
    [accuracyLabel, formatPercent(accuracy)],
    ['training images', formatCount(start?.trainImages)],
    ['classes', formatCount(start?.data.classes.length)],
    [
      best ? `epochs (best: ${best.epoch})` : 'epochs',
      `${formatCount(result?.epochs ?? epochs.length)}${planned}`,
    ],
    ['training time', formatDuration(seconds)],
    ['training images/s', formatCount(throughput)],
  ]
  const items = tiles.map(([label, value]) => html`<div><dt>${label}</dt><dd>${value}</dd></div>\n`)
  const { startedAt } = run.environment
  const date = startedAt === undefined ? '' : `, started on ${startedAt.slice(0, 10)}`
  return html`<p class="lead">Run ${isolate(run.name)}${date}</p>
<dl class="tiles">${items}</dl>`
}

/** Returns the accuracy in the header with its label: of the evaluation, or else of the run. */
function headlineAccuracy(
  { result, epochs, start }: RunFolder,
  splitEvaluation: SplitEvaluation | undefined,
): [label: string, accuracy: number | undefined] {
  if (splitEvaluation !== undefined) {
    const { accuracy, count } = splitEvaluation.evaluation
    return [accuracyLabel(SPLIT_NAMES[splitEvaluation.split], accuracy, count), accuracy]
  }
  if (result?.test) {
    const { accuracy, count } = result.test
    return [accuracyLabel(SPLIT_NAMES.test, accuracy, count), accuracy]
  }
  const label = start?.valImages === 0 ? 'training accuracy' : 'validation accuracy'
  const last = epochs.at(-1)
  return [label, result?.best?.accuracy ?? (last?.val ?? last?.train)?.accuracy]
}

function accuracyLabel(split: string, accuracy: number, count: number): string {
  const images = `${split} accuracy (${formatCount(count)} images`
  if (split === SPLIT_NAMES.train) return `${images})`
  const interval = formatInterval(wilsonInterval(accuracy, count))
  return `${images}, 95${'\u00a0'}% interval ${interval})`
}

function renderReproduce(run: RunFolder): Content {
  const command = reproduceCommand(run)
  if (command === undefined) {
    return html`<p>The run was trained on images in memory. To repeat it, call
<code>train(config, { arrays })</code> with the configuration above and the same images.</p>`
  }
  const preparation = run.hasConfigFile
    ? ''
    : 'config.json is missing or damaged: first save the configuration above under this name. '
  return html`<p>${preparation}This command repeats the run. With the same number of threads on the same kind of CPU,
the result is bit-identical. Relative paths refer to the folder in which the run was started.</p>
<pre tabindex="0"><code>${command}</code></pre>`
}

function renderWarnings({ warnings }: RunFolder, issues: readonly string[]): Html {
  const shown = warnings
    .slice(0, MAX_WARNINGS)
    .map(({ message, hint }) => joinSentences(message, hint))
  const numHidden = warnings.length - shown.length
  const note = numHidden > 0 ? [`${formatCount(numHidden)} more warnings.`] : []
  const lines = [...issues, ...shown, ...note]
  return html`<ul>${lines.map((line) => html`<li>${isolate(line)}</li>\n`)}</ul>`
}
