import { barChart } from '../../charts/bar-chart.js'
import { downsample } from '../../charts/downsample.js'
import { lineChart } from '../../charts/line-chart.js'
import type { Figure } from '../html/figure.js'
import { formatCount } from '../html/format.js'
import { html, isolate } from '../html/html.js'
import { collapsible, numericColumns, table } from '../html/table.js'
import { CHART_SIZE } from './training-curves.js'

/**
 * Maximum number of classes for a bar chart; more classes are drawn as a curve of sorted counts.
 */
const MAX_BARS = 40
/** Number of most frequent and of least frequent classes that are listed by name. */
const NUM_EXTREMES = 10

/** Number of images of each class in one split. */
export interface SplitCounts {
  /** Name of the split in the legend: `training`. */
  split: string
  /** By class index. */
  counts: readonly number[]
}

const FIGURE = { name: 'class-balance', label: 'Number of images per class.' }

/** Draws the number of images per class and split. */
export function classBalanceFigure(
  classes: readonly string[],
  splits: readonly SplitCounts[],
): Promise<Figure> {
  return classes.length <= MAX_BARS ? barFigure(classes, splits) : rankFigure(classes, splits)
}

async function barFigure(
  classes: readonly string[],
  splits: readonly SplitCounts[],
): Promise<Figure> {
  const labels = uniqueLabels(classes)
  const svg = await barChart({
    x: '',
    y: { title: 'images' },
    isHorizontal: true,
    bars: splits.flatMap(({ split, counts }) =>
      labels.map((label, index) => ({ label, value: counts[index] ?? 0, group: split })),
    ),
  })
  return {
    ...FIGURE,
    svg,
    caption: `Images per class: ${nameSplits(splits)}.`,
    dataTable: table(
      'Images per class',
      numericColumns(
        'class',
        splits.map(({ split }) => split),
      ),
      classes.map((label, index) => [
        isolate(label),
        ...splits.map(({ counts }) => formatCount(counts[index])),
      ]),
    ),
  }
}

/** Draws the sorted counts of many classes and lists the most and least frequent ones. */
async function rankFigure(
  classes: readonly string[],
  splits: readonly SplitCounts[],
): Promise<Figure> {
  const svg = await lineChart({
    ...CHART_SIZE,
    x: { title: 'class rank (most frequent first)' },
    y: { title: 'images per class' },
    series: splits.map(({ split, counts }) => {
      const sorted = [...counts].sort((a, b) => b - a)
      return { name: split, points: downsample(sorted.map((y, index) => ({ x: index + 1, y }))) }
    }),
  })
  const [first] = splits
  const ranked = classes
    .map((label, index) => ({ label, count: first?.counts[index] ?? 0 }))
    .sort((a, b) => b.count - a.count)
  const toRows = (entries: typeof ranked) =>
    entries.map(({ label, count }) => [isolate(label), formatCount(count)])
  const columns = numericColumns('class', [first?.split ?? ''])
  const extremes = [
    table('Most frequent classes', columns, toRows(ranked.slice(0, NUM_EXTREMES))),
    table('Least frequent classes', columns, toRows(ranked.slice(-NUM_EXTREMES))),
  ]
  const all = collapsible('All classes', table('Images per class', columns, toRows(ranked)))
  return {
    ...FIGURE,
    svg,
    caption: `Images per class (${formatCount(classes.length)} classes): ${nameSplits(splits)}.`,
    dataTable: html`${extremes}${all}`,
  }
}

function nameSplits(splits: readonly SplitCounts[]): string {
  return splits.map(({ split }) => split).join(' and ')
}

/** Appends a number to repeated labels, since a bar chart identifies its bars by label. */
function uniqueLabels(classes: readonly string[]): string[] {
  const counts = new Map<string, number>()
  return classes.map((label) => {
    const count = (counts.get(label) ?? 0) + 1
    counts.set(label, count)
    return count === 1 ? label : `${label} (${count})`
  })
}
