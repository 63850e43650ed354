import { relative } from 'node:path'
import { type LineChart, lineChart, type Series, type Stroke } from '../charts/line-chart.js'
import { PALETTE } from '../charts/theme.js'
import type { EpochEvent } from '../native/generated.js'
import type { RunFolder } from '../run-folder/run-folder.js'
import { wilsonInterval } from '../statistics/proportion.js'
import {
  type AccuracyComparison,
  compareWithFirst,
  isWithinNoise,
  rankingAccuracy,
} from './compare-accuracy.js'
import { type Figure, renderFigure } from './html/figure.js'
import {
  formatCount,
  formatDecimal,
  formatDuration,
  formatInterval,
  formatPercent,
  formatPValue,
} from './html/format.js'
import { type Content, type Html, html, isolate } from './html/html.js'
import { renderFooter, renderPage, type Section } from './html/page.js'
import { numericColumns, percentBar, table } from './html/table.js'
import type { RenderedReport } from './report-builder.js'
import { dataSetTitle } from './run-report.js'
import { environmentRows, flattenConfig } from './sections/configuration.js'
import {
  CHART_SIZE,
  domainFromZero,
  EPOCH_AXIS,
  epochPoints,
  lossAxis,
} from './sections/training-curves.js'

/** Number of curves with distinct styles: every color twice, solid and dashed. */
const MAX_CURVES = 2 * PALETTE.length

/** Keys that are not compared, because they differ between any two runs. */
const IGNORED_SETTINGS = new Set(['out'])
const IGNORED_ENVIRONMENT = new Set(['started (UTC)'])

/** A run with a label that is unique in the comparison. */
interface LabeledRun {
  run: RunFolder
  label: string
}

/** Renders a comparison of several runs, ranked by accuracy. */
export async function renderComparisonReport(runs: readonly RunFolder[]): Promise<RenderedReport> {
  const labels = uniqueRunLabels(runs)
  const labeled = runs.map((run, index): LabeledRun => ({ run, label: labels[index] ?? run.name }))
  const accuracy = ({ run }: LabeledRun) => rankingAccuracy(run)?.accuracy ?? -1
  const ranked = [...labeled].sort((a, b) => accuracy(b) - accuracy(a))
  const comparisons = compareWithFirst(ranked.map(({ run }) => run))
  const figures = await comparisonCurves(ranked.slice(0, MAX_CURVES))
  const note =
    ranked.length > MAX_CURVES
      ? html`<p>Only the ${MAX_CURVES} of ${formatCount(ranked.length)} runs with the highest accuracy are shown.</p>`
      : undefined
  const sections: Section[] = [
    { id: 'results', title: 'Results', content: [resultsTable(ranked, comparisons), NOTES] },
    {
      id: 'curves',
      title: 'Training curves',
      content: [note, html`<div class="plots">${figures.map(renderFigure)}</div>`],
    },
    {
      id: 'configuration',
      title: 'Configuration differences',
      content: differencesTable(labeled, ({ config }) => flattenConfig(config), IGNORED_SETTINGS),
    },
    {
      id: 'environment',
      title: 'Environment differences',
      content: differencesTable(
        labeled,
        ({ environment }) => environmentRows(environment),
        IGNORED_ENVIRONMENT,
      ),
    },
  ]
  const issues = labeled.flatMap(({ run, label }) =>
    run.issues.map((issue) => html`<li>${isolate(label)}: ${issue}</li>\n`),
  )
  if (issues.length > 0) {
    sections.push({ id: 'warnings', title: 'Warnings', content: html`<ul>${issues}</ul>` })
  }
  const sources = [...new Set(runs.map(({ config }) => dataSetTitle(config.data.source)))]
  const title = `${runs.length} runs on ${sources.join(', ')}`
  const names = labeled.map(({ label }, index) => [index > 0 ? ', ' : '', isolate(label)])
  const lead = html`${describeRanking(ranked, comparisons)}<p class="lead">${names}</p>`
  const versions = runs.map(({ environment }) => environment.residual)
  const footer = renderFooter(versions.find((version) => version !== undefined))
  return { page: renderPage(title, lead, sections, footer), figures, imageGrids: [], skipped: [] }
}

/** Returns the names of the run folders, or the paths of those whose name is not unique. */
export function uniqueRunLabels(runs: readonly RunFolder[]): string[] {
  const counts = new Map<string, number>()
  for (const { name } of runs) counts.set(name, (counts.get(name) ?? 0) + 1)
  return runs.map(({ name, dir }) => (counts.get(name) === 1 ? name : relative(process.cwd(), dir)))
}

const NOTES = html`<p class="p">Runs are ranked by the accuracy of their best epoch on the validation
split, or on the training split if there is no validation split. Intervals are 95\u00a0% confidence intervals
(Wilson). A difference is called noise if a test finds p ≥ 0.05: McNemar’s exact test for runs that
were evaluated on the same images, otherwise Fisher’s exact test; p-values are adjusted for the number of
tests (Holm). Intervals and tests account for the limited number of images, not for the variation between
training runs, which <code>residual experiment repeat</code> measures.</p>`

/** Describes the two best runs, and whether their difference is noise. */
function describeRanking(
  ranked: readonly LabeledRun[],
  comparisons: readonly AccuracyComparison[],
): Content[] {
  const [first, second] = ranked
  const fingerprints = new Set(
    ranked
      .map(({ run }) => run.start?.data.fingerprint)
      .filter((fingerprint) => fingerprint !== undefined),
  )
  const warning =
    fingerprints.size > 1
      ? html`<p class="note">The runs were trained on different images, so their metrics are not directly comparable.</p>`
      : undefined
  const highest = first && rankingAccuracy(first.run)
  const next = second && rankingAccuracy(second.run)
  const [comparison] = comparisons
  if (highest === undefined || next === undefined || comparison === undefined) return [warning]
  const [winner, runnerUp] = [isolate(first?.label ?? ''), isolate(second?.label ?? '')]
  const gap = (100 * (highest.accuracy - next.accuracy)).toFixed(1)
  const split = highest.split === 'val' ? 'validation' : 'training'
  const isTie = highest.accuracy === next.accuracy
  const verdict = isTie
    ? html`${winner} and ${runnerUp} have the same ${split} accuracy, ${formatPercent(highest.accuracy)}.`
    : html`${winner} has the highest ${split} accuracy, ${formatPercent(highest.accuracy)}, ${gap}
percentage points above ${runnerUp}.`
  return [
    html`<p class="p"><strong>${verdict}</strong> ${isTie ? undefined : describeDifference(comparison, winner, runnerUp)}
${countNoise(comparisons)}</p>`,
    warning,
  ]
}

/** Describes whether the difference between two runs is noise, and why. */
function describeDifference(comparison: AccuracyComparison, winner: Html, runnerUp: Html): Content {
  if ('missing' in comparison) {
    return `Whether the difference is noise cannot be tested: ${comparison.missing}.`
  }
  const { p, paired } = comparison
  const result = isWithinNoise(comparison)
    ? html`This difference is <strong>within noise</strong>`
    : 'This difference is more than noise'
  if (paired === undefined) return html`${result} (Fisher’s exact test, ${formatPValue(p)}).`
  const { onlyFirst, onlySecond, count } = paired
  return html`${result}: of the same ${formatCount(count)} images, only ${winner} classified
${formatCount(onlyFirst)} correctly, and only ${runnerUp} ${formatCount(onlySecond)} (McNemar’s exact test,
${formatPValue(p)}).`
}

/** Counts the runs that cannot be distinguished from the best one; undefined for fewer than two tests. */
function countNoise(comparisons: readonly AccuracyComparison[]): Content {
  const tests = comparisons.filter((comparison) => 'p' in comparison)
  if (tests.length < 2) return undefined
  const numNoise = tests.filter(isWithinNoise).length
  return `Of ${tests.length} tested runs, ${numNoise} cannot be distinguished from the best one.`
}

/** Formats the comparison of a run with the best run for a cell of the table. */
function formatComparison(comparison: AccuracyComparison | undefined): Content {
  if (comparison === undefined) return '–'
  if ('missing' in comparison) return comparison.missing
  const verdict = isWithinNoise(comparison) ? 'within noise' : 'lower'
  return `${verdict} (${formatPValue(comparison.p)})`
}

function resultsTable(
  ranked: readonly LabeledRun[],
  comparisons: readonly AccuracyComparison[],
): Content {
  const headers = [
    ...['accuracy', '95\u00a0% interval', 'compared with the best'],
    ...['test accuracy', 'test loss', 'best epoch', 'epochs'],
    ...['parameters', 'training images', 'images/s', 'training time'],
  ]
  const rows = ranked.map(({ run, label }, index): Content[] => {
    const { result, start, epochs } = run
    const { accuracy, count, split } = rankingAccuracy(run) ?? {}
    const hasInterval = accuracy !== undefined && count !== undefined && split === 'val'
    return [
      isolate(label),
      run.config.model.arch,
      accuracy === undefined ? '–' : percentBar(accuracy),
      hasInterval ? formatInterval(wilsonInterval(accuracy, count)) : '–',
      index === 0 ? '–' : formatComparison(comparisons[index - 1]),
      formatPercent(result?.test?.accuracy),
      formatDecimal(result?.test?.loss),
      result?.best?.epoch ?? '–',
      result === undefined ? `${epochs.length} (unfinished)` : formatCount(result.epochs),
      formatCount(start?.parameters),
      formatCount(start?.trainImages),
      formatCount(result?.imagesPerSecond ?? epochs.at(-1)?.imagesPerSecond),
      formatDuration(result?.seconds ?? epochs.at(-1)?.seconds),
    ]
  })
  const numericColumns = headers.map((header) => ({ header, numeric: true }))
  return table('Results', [{ header: 'run' }, { header: 'network' }, ...numericColumns], rows)
}

type Metric = (epoch: EpochEvent) => number | undefined

/** Draws one chart per metric with a curve for each run. */
async function comparisonCurves(runs: readonly LabeledRun[]): Promise<Figure[]> {
  const toSeries = (metric: Metric): Series[] =>
    runs
      .map(({ run, label }, index) => {
        const stroke: Stroke = index < PALETTE.length ? 'solid' : 'dashed'
        return { name: label, stroke, kind: 'run', points: epochPoints(run.epochs, metric) }
      })
      .filter(({ points }) => points.length > 0)
  const accuracy = { title: 'accuracy', format: '.0%' }
  const loss = (series: readonly Series[]) => lossAxis(series.map(({ points }) => points))
  const throughput = (series: readonly Series[]) => ({
    title: 'images/s',
    domain: domainFromZero(series.flatMap(({ points }) => points)),
  })
  const charts: [string, Metric, (series: readonly Series[]) => LineChart['y']][] = [
    ['Validation accuracy', ({ val }) => val?.accuracy, () => accuracy],
    ['Validation loss', ({ val }) => val?.loss, loss],
    ['Training accuracy', ({ train }) => train.accuracy, () => accuracy],
    ['Training loss', ({ train }) => train.loss, loss],
    ['Learning rate', ({ lr }) => lr, () => ({ title: 'learning rate' })],
    ['Throughput', ({ imagesPerSecond }) => imagesPerSecond, throughput],
  ]
  const figures: Figure[] = []
  for (const [title, metric, axis] of charts) {
    const series = toSeries(metric)
    if (series.length === 0) continue
    figures.push({
      name: title.toLowerCase().replace(' ', '-'),
      svg: await lineChart({ ...CHART_SIZE, x: EPOCH_AXIS, y: axis(series), series }),
      label: `${title} of ${runs.length} runs by epoch.`,
      caption: `${title}.`,
      dataTable: rangeTable(title, series),
    })
  }
  return figures
}

/** Renders the first, last, lowest and highest value of each curve. */
function rangeTable(title: string, series: readonly Series[]): Html {
  const rows = series.map(({ name, points }): Content[] => {
    const values = points.map(({ y }) => y)
    const range = [values[0], values.at(-1), Math.min(...values), Math.max(...values)]
    return [isolate(name), formatCount(points.at(-1)?.x), ...range.map(formatDecimal)]
  })
  return table(title, numericColumns('run', ['epochs', 'first', 'last', 'min', 'max']), rows)
}

/** Renders a table of the keys whose values differ between runs. */
function differencesTable(
  runs: readonly LabeledRun[],
  rowsOf: (run: RunFolder) => readonly [string, string][],
  ignored: ReadonlySet<string>,
): Content {
  const values = runs.map(({ run }) => new Map(rowsOf(run)))
  const keys = [...new Set(values.flatMap((map) => [...map.keys()]))]
  const rows = keys
    .filter((key) => !ignored.has(key) && new Set(values.map((map) => map.get(key))).size > 1)
    .map((key): Content[] => [
      html`<code>${key}</code>`,
      ...values.map((map) => html`<code>${isolate(map.get(key) ?? '–')}</code>`),
    ])
  if (rows.length === 0) return html`<p>No differences.</p>`
  const headers = ['key', ...runs.map(({ label }) => label)]
  return table(
    'Differences',
    headers.map((header) => ({ header })),
    rows,
  )
}
