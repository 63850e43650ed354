import type { ClassMetrics, Evaluation } from '../../native/generated.js'
import { formatCount, formatPercent } from '../html/format.js'
import { type Html, html, isolate } from '../html/html.js'
import { collapsible, numericColumns, percentBar, table } from '../html/table.js'

/** Classes that are all shown; of more, only the least accurate ones. */
const MAX_ROWS = 40
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
  const rows = classes.map((score, index) => ({ score, trained: trainCounts?.[index] }))
  if (rows.length <= MAX_ROWS) return classRows('Per-class accuracy', rows)
  const worst = rows
    .filter(({ score }) => score.count > 0)
    .sort((a, b) => a.score.accuracy - b.score.accuracy)
    .slice(0, WORST_ROWS)
  const total = formatCount(rows.length)
  return html`<p>The ${worst.length} of ${total} classes with the lowest accuracy:</p>
${classRows('Classes with the lowest accuracy', worst)}
${collapsible(`All ${total} classes`, classRows('Per-class accuracy', rows))}`
}

interface Row {
  score: ClassMetrics
  trained: number | undefined
}

function classRows(label: string, rows: readonly Row[]): Html {
  const isKnown = rows.some(({ trained }) => trained !== undefined)
  const headings = ['accuracy', 'precision', 'F1', 'images']
  return table(
    label,
    numericColumns('class', isKnown ? [...headings, 'training images'] : headings),
    rows.map(({ score, trained }) => [
      isolate(score.label),
      score.count === 0 ? '–' : percentBar(score.accuracy),
      score.predicted === 0 ? '–' : formatPercent(score.precision),
      score.f1.toFixed(3),
      formatCount(score.count),
      ...(isKnown ? [formatCount(trained)] : []),
    ]),
  )
}
