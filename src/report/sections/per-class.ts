import type { ClassMetrics, Evaluation } from '../../native/generated.js'
import { formatCount, formatPercent } from '../html/format.js'
import { type Html, html, isolate } from '../html/html.js'
import { collapsible, numericColumns, percentBar, table } from '../html/table.js'

/** Maximum number of classes for a complete table. */
const MAX_ROWS = 40
/** Number of least accurate classes that are shown first if there are more than `MAX_ROWS`. */
const WORST_ROWS = 25

/**
 * Renders accuracy (recall), precision and F1 of each class.
 *
 * @param trainCounts training images by class, if known
 */
export function perClassTable(
  { classes }: Evaluation,
  trainCounts: readonly number[] | undefined,
): Html {
  const rows = classes.map((metrics, index) => ({ metrics, trainCount: trainCounts?.[index] }))
  if (rows.length <= MAX_ROWS) return classRows('Per-class accuracy', rows)
  const worst = rows
    .filter(({ metrics }) => metrics.count > 0)
    .sort((a, b) => a.metrics.accuracy - b.metrics.accuracy)
    .slice(0, WORST_ROWS)
  const total = formatCount(rows.length)
  return html`<p>The ${worst.length} of ${total} classes with the lowest accuracy:</p>
${classRows('Classes with the lowest accuracy', worst)}
${collapsible(`All ${total} classes`, classRows('Per-class accuracy', rows))}`
}

interface Row {
  metrics: ClassMetrics
  trainCount: number | undefined
}

function classRows(label: string, rows: readonly Row[]): Html {
  const hasTrainCounts = rows.some(({ trainCount }) => trainCount !== undefined)
  const headers = ['accuracy', 'precision', 'F1', 'images']
  return table(
    label,
    numericColumns('class', hasTrainCounts ? [...headers, 'training images'] : headers),
    rows.map(({ metrics, trainCount }) => [
      isolate(metrics.label),
      metrics.count === 0 ? '–' : percentBar(metrics.accuracy),
      metrics.predicted === 0 ? '–' : formatPercent(metrics.precision),
      metrics.f1.toFixed(3),
      formatCount(metrics.count),
      ...(hasTrainCounts ? [formatCount(trainCount)] : []),
    ]),
  )
}
