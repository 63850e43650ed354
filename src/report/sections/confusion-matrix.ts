import { matrixChart } from '../../charts/matrix-chart.js'
import type { Evaluation } from '../../native/generated.js'
import type { Figure } from '../html/figure.js'
import { formatCount, formatPercent } from '../html/format.js'
import { type Html, html, isolate } from '../html/html.js'
import { collapsible, numericColumns, table } from '../html/table.js'

/** Maximum number of classes for a complete matrix. */
const MAX_CLASSES = 30
/** Number of most confused classes in the matrix if there are more than `MAX_CLASSES`. */
const MAX_CONFUSED = 20
const MAX_PAIRS = 30
/** Number of most confused pairs that are not collapsed. */
const FIRST_PAIRS = 10

/** Number of images of the class `label` that were predicted as `predicted` (class indices). */
export interface ConfusedPair {
  label: number
  predicted: number
  count: number
}

/** Draws the confusion matrix; for many classes, only the most confused ones. */
export async function confusionMatrixFigure(evaluation: Evaluation): Promise<Figure | undefined> {
  const { confusion, classes } = evaluation
  if (confusion.length === 0 || classes.length < 2) return undefined
  const all = classes.map((_, index) => index)
  const shown = classes.length <= MAX_CLASSES ? all : mostConfusedClasses(evaluation)
  if (shown.length < 2) return undefined
  const labels = shown.map((index) => classes[index]?.label ?? String(index))
  const counts = shown.map((row) => shown.map((column) => confusion[row]?.[column] ?? 0))
  const svg = await matrixChart({
    rowTitle: 'true class',
    columnTitle: 'predicted class',
    labels,
    counts,
  })
  const isPartial = shown.length < classes.length
  const size = isPartial ? `${shown.length} of ${classes.length}` : shown.length
  return {
    name: 'confusion-matrix',
    svg,
    label: `Confusion matrix of ${size} classes.`,
    caption: [
      'Number of images by true class (row) and predicted class (column). Colors show the fraction',
      ' of the row. Cells off the diagonal are misclassified images.',
      isPartial ? ` Only the ${shown.length} classes of the most confused pairs are shown.` : '',
    ],
    dataTable: table(
      'Confusion matrix',
      numericColumns('true class', labels),
      counts.map((row, index) => [isolate(labels[index] ?? ''), ...row.map(formatCount)]),
    ),
  }
}

/** Renders the most confused pairs of classes; undefined if there are none. */
export function confusedPairsTable(evaluation: Evaluation): Html | undefined {
  const { classes } = evaluation
  const label = (index: number) => isolate(classes[index]?.label ?? '')
  const numImages = (index: number) => classes[index]?.count ?? 0
  const rows = confusedPairs(evaluation)
    .slice(0, MAX_PAIRS)
    .map((pair) => [
      label(pair.label),
      label(pair.predicted),
      formatCount(pair.count),
      formatPercent(pair.count / numImages(pair.label)),
    ])
  if (rows.length === 0) return undefined
  const columns = [
    { header: 'true class' },
    { header: 'predicted class' },
    { header: 'images', numeric: true },
    { header: '% of true class', numeric: true },
  ]
  const renderRows = (part: typeof rows) => table('Most confused pairs of classes', columns, part)
  const first = renderRows(rows.slice(0, FIRST_PAIRS))
  const rest = rows.slice(FIRST_PAIRS)
  return html`<div class="beside"><h3>Most confused pairs of classes</h3>${first}
${rest.length > 0 ? collapsible(`Show ${rest.length} more`, renderRows(rest)) : undefined}</div>`
}

/** Returns all pairs of confused classes, most frequent first. */
export function confusedPairs({ confusion, classes, mostConfused }: Evaluation): ConfusedPair[] {
  if (confusion.length === 0) {
    const indices = new Map(classes.map(({ label }, index) => [label, index]))
    return mostConfused.map(({ label, predicted, count }) => {
      return { label: indices.get(label) ?? -1, predicted: indices.get(predicted) ?? -1, count }
    })
  }
  const pairs = confusion.flatMap((row, label) =>
    row
      .map((count, predicted) => ({ label, predicted, count }))
      .filter((pair) => pair.count > 0 && pair.predicted !== label),
  )
  return pairs.sort((a, b) => b.count - a.count)
}

/** Returns the classes of the most confused pairs, sorted by index. */
function mostConfusedClasses(evaluation: Evaluation): number[] {
  const indices = new Set<number>()
  for (const { label, predicted } of confusedPairs(evaluation)) {
    for (const index of [label, predicted]) {
      if (indices.size < MAX_CONFUSED) indices.add(index)
    }
  }
  return [...indices].sort((a, b) => a - b)
}
