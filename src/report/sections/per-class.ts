import type { ClassScore, Evaluation } from '../../native/generated.js'
import { count, percent } from '../html/format.js'
import { Html, html, name } from '../html/html.js'
import { folded, table } from '../html/table.js'

/** As many classes are shown at once; of more, the worst. */
const MOST = 40
const WORST = 25

/**
 * How well each class is recognised.
 *
 * @param trained images of each class that were trained on, where that is known
 */
export function classTable({ classes }: Evaluation, trained: readonly number[] | undefined): Html {
  const rows = classes.map((score, index) => ({ score, trained: trained?.[index] }))
  if (rows.length <= MOST) return classRows('Every class', rows)
  const worst = rows
    .filter(({ score }) => score.count > 0)
    .sort((a, b) => a.score.accuracy - b.score.accuracy)
    .slice(0, WORST)
  return html`<p>The ${worst.length} of ${count(rows.length)} classes that are recognised least:</p>
${classRows('The classes that are recognised least', worst)}
${folded(`All ${count(rows.length)} classes`, classRows('Every class', rows))}`
}

interface Row {
  score: ClassScore
  trained: number | undefined
}

function classRows(label: string, rows: readonly Row[]): Html {
  const isKnown = rows.some(({ trained }) => trained !== undefined)
  const headings = ['recognised', 'precision', 'F1', 'images', ...(isKnown ? ['trained on'] : [])]
  return table(
    label,
    [{ heading: 'class' }, ...headings.map((heading) => ({ heading, numeric: true }))],
    rows.map(({ score, trained }) => [
      name(score.label),
      score.count === 0 ? '–' : share(score.accuracy),
      score.predicted === 0 ? '–' : percent(score.precision),
      score.f1.toFixed(3),
      count(score.count),
      ...(isKnown ? [count(trained)] : []),
    ]),
  )
}

/** A share as a number, with a bar behind it. */
export function share(value: number): Html {
  const width = new Html((100 * value).toFixed(1))
  return html`<span class="bar" style="--share:${width}%">${percent(value)}</span>`
}
