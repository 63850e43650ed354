import { barChart } from '../../charts/bar-chart.js'
import { thin } from '../../charts/downsample.js'
import { lineChart } from '../../charts/line-chart.js'
import type { Figure } from '../html/figure.js'
import { count } from '../html/format.js'
import { html, name } from '../html/html.js'
import { folded, table } from '../html/table.js'
import { SIZE } from './training-curves.js'

/** Above it the bars of all classes have no room. */
const MOST_BARS = 40
const EXTREMES = 10

/** The images of a class in one of the parts. */
export interface Counted {
  /** As a legend calls it: `training`. */
  part: string
  /** By class. */
  counts: readonly number[]
}

/** How many images there are of each class. */
export function balanceFigure(
  classes: readonly string[],
  parts: readonly Counted[],
): Promise<Figure> {
  return classes.length <= MOST_BARS ? bars(classes, parts) : ranks(classes, parts)
}

async function bars(classes: readonly string[], parts: readonly Counted[]): Promise<Figure> {
  const labels = unique(classes)
  const svg = await barChart({
    x: '',
    y: { title: 'images' },
    lying: true,
    bars: parts.flatMap(({ part, counts }) =>
      labels.map((label, index) => ({ label, value: counts[index] ?? 0, group: part })),
    ),
  })
  const columns = parts.map(({ part }) => ({ heading: part, numeric: true }))
  return {
    ...COMMON,
    svg,
    caption: `Images of each class: ${parts.map(({ part }) => part).join(' and ')}.`,
    numbers: table(
      'Images of each class',
      [{ heading: 'class' }, ...columns],
      classes.map((label, index) => [
        name(label),
        ...parts.map(({ counts }) => count(counts[index])),
      ]),
    ),
  }
}

/** Of many classes the shape alone, and the ends by name. */
async function ranks(classes: readonly string[], parts: readonly Counted[]): Promise<Figure> {
  const svg = await lineChart({
    ...SIZE,
    x: { title: 'classes, the most frequent first' },
    y: { title: 'images of the class' },
    series: parts.map(({ part, counts }) => {
      const falling = [...counts].sort((a, b) => b - a)
      return { name: part, points: thin(falling.map((y, index) => ({ x: index + 1, y }))) }
    }),
  })
  const [first] = parts
  const byCount = classes
    .map((label, index) => ({ label, count: first?.counts[index] ?? 0 }))
    .sort((a, b) => b.count - a.count)
  const rows = (some: typeof byCount) => some.map(({ label, count: n }) => [name(label), count(n)])
  const columns = [{ heading: 'class' }, { heading: first?.part ?? '', numeric: true }]
  const ends = [
    table('The most frequent classes', columns, rows(byCount.slice(0, EXTREMES))),
    table('The rarest classes', columns, rows(byCount.slice(-EXTREMES))),
  ]
  const which = parts.map(({ part }) => part).join(' and ')
  const caption = `Images of each of the ${count(classes.length)} classes: ${which}.`
  const all = folded('All classes', table('Images of each class', columns, rows(byCount)))
  return { ...COMMON, svg, caption, numbers: html`${ends}${all}` }
}

const COMMON = { name: 'class-balance', label: 'How many images there are of each class.' }

/** A chart tells bars apart by their labels. */
function unique(classes: readonly string[]): string[] {
  const seen = new Map<string, number>()
  return classes.map((label) => {
    const times = (seen.get(label) ?? 0) + 1
    seen.set(label, times)
    return times === 1 ? label : `${label} (${times})`
  })
}
