import { matrixChart } from '../../charts/matrix-chart.js'
import type { Evaluation } from '../../native/generated.js'
import type { Figure } from '../html/figure.js'
import { count, percent } from '../html/format.js'
import { type Html, html, name } from '../html/html.js'
import { folded, table } from '../html/table.js'

/** More classes than these have no place in one matrix. */
const MOST_CLASSES = 30
const MOST_CONFUSED = 20
const MOST_PAIRS = 30
const FIRST_PAIRS = 10

/** A class taken for another, by their indices. */
export interface Pair {
  label: number
  predicted: number
  count: number
}

/**
 * What is taken for what: the whole matrix or, of many classes, the part of it in which most
 * mistakes are made.
 */
export async function confusionFigure(evaluation: Evaluation): Promise<Figure | undefined> {
  const { confusion, classes } = evaluation
  if (confusion.length === 0 || classes.length < 2) return undefined
  const all = classes.map((_, index) => index)
  const shown = classes.length <= MOST_CLASSES ? all : mostConfusedClasses(evaluation)
  if (shown.length < 2) return undefined
  const labels = shown.map((index) => classes[index]?.label ?? String(index))
  const counts = shown.map((row) => shown.map((column) => confusion[row]?.[column] ?? 0))
  const svg = await matrixChart({
    rows: 'what it is',
    columns: 'what it was taken for',
    labels,
    counts,
  })
  const some = shown.length < classes.length
  return {
    name: 'confusion',
    svg,
    label: `Confusion matrix of ${some ? `${shown.length} of ${classes.length}` : shown.length} classes.`,
    caption: [
      'A row is what the images are, a column what they were taken for: the stronger the colour,',
      ' the larger the share of the row. What is off the diagonal was wrong.',
      some ? ` Only the ${shown.length} classes with the most mistakes are shown.` : '',
    ],
    numbers: table(
      'Confusion matrix',
      [{ heading: 'is' }, ...labels.map((heading) => ({ heading, numeric: true }))],
      counts.map((row, index) => [name(labels[index] ?? ''), ...row.map(count)]),
    ),
  }
}

/** The pairs confused most often. */
export function pairTable(evaluation: Evaluation): Html | undefined {
  const { classes } = evaluation
  const label = (index: number) => name(classes[index]?.label ?? '')
  const of = (index: number) => classes[index]?.count ?? 0
  const rows = confusedPairs(evaluation)
    .slice(0, MOST_PAIRS)
    .map((pair) => [
      label(pair.label),
      label(pair.predicted),
      count(pair.count),
      percent(pair.count / of(pair.label)),
    ])
  if (rows.length === 0) return undefined
  const columns = [{ heading: 'what it is' }, { heading: 'what it was taken for' }]
  const numbers = ['times', 'of its images'].map((heading) => ({ heading, numeric: true }))
  const shown = (some: typeof rows) =>
    table('Classes confused most often', [...columns, ...numbers], some)
  const rest = rows.slice(FIRST_PAIRS)
  return html`<div class="beside"><h3>Confused most often</h3>${shown(rows.slice(0, FIRST_PAIRS))}
${rest.length > 0 ? folded(`The next ${rest.length}`, shown(rest)) : undefined}</div>`
}

/** All pairs of classes that were confused, most often first. */
export function confusedPairs({ confusion, classes, mostConfused }: Evaluation): Pair[] {
  if (confusion.length === 0) {
    const index = new Map(classes.map(({ label }, index) => [label, index]))
    return mostConfused.map(({ label, predicted, count }) => {
      return { label: index.get(label) ?? -1, predicted: index.get(predicted) ?? -1, count }
    })
  }
  const pairs = confusion.flatMap((row, label) =>
    row
      .map((count, predicted) => ({ label, predicted, count }))
      .filter((pair) => pair.count > 0 && pair.predicted !== label),
  )
  return pairs.sort((a, b) => b.count - a.count)
}

/** In the order of their indices. */
function mostConfusedClasses(evaluation: Evaluation): number[] {
  const chosen = new Set<number>()
  for (const { label, predicted } of confusedPairs(evaluation)) {
    for (const index of [label, predicted]) {
      if (chosen.size < MOST_CONFUSED) chosen.add(index)
    }
  }
  return [...chosen].sort((a, b) => a - b)
}
