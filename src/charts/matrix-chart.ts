import { labelled } from './label-axis.js'
import { draw } from './render.js'

/** Counts of things that are one and were taken for another. */
export interface MatrixChart {
  title?: string | undefined
  /** What the rows and the columns are called. */
  rows: string
  columns: string
  /** Of rows and columns alike. */
  labels: readonly string[]
  /** `counts[row][column]` */
  counts: readonly (readonly number[])[]
  /** Of a cell, in pixels. Default: as large as there is room for. */
  cell?: number | undefined
}

/** Above it there is no room for numbers. */
const MOST_NUMBERS = 15
const SIDE = 330
/**
 * Dark enough for white numbers where it is full, and for black ones up to where they change: the
 * contrast is 4.5 or more everywhere.
 */
const FIELD = '#005a8f'
const FULL = 0.64

/**
 * A confusion matrix as SVG: the darker a cell, the larger its share of the row. (By its root, for
 * else a confusion of a few percent would be as white as none.)
 */
export function matrixChart(chart: MatrixChart): Promise<string> {
  const { title, rows, columns, labels, counts } = chart
  const cell =
    chart.cell ?? Math.max(9, Math.min(44, Math.floor(SIDE / Math.max(1, labels.length))))
  const values = counts.flatMap((row, i) => {
    const whole = row.reduce((sum, count) => sum + count, 0)
    return row.map((count, j) => ({ i, j, count, share: whole === 0 ? 0 : count / whole }))
  })
  const { domain, labelExpr } = labelled(labels)
  const axis = (title: string) => ({
    type: 'ordinal',
    title,
    scale: { domain, padding: 0 },
    axis: {
      labelExpr,
      labelLimit: 110,
      labelOverlap: false,
      ticks: false,
      domain: false,
      ...(cell < 12 && { labelFontSize: 8 }),
    },
  })
  const below = axis(columns)
  const place = {
    x: { field: 'j', ...below, axis: { ...below.axis, labelAngle: -45 } },
    y: { field: 'i', ...axis(rows) },
  }
  const cells = {
    mark: { type: 'rect', color: FIELD },
    encoding: {
      ...place,
      opacity: {
        field: 'share',
        type: 'quantitative',
        scale: { type: 'sqrt', domain: [0, 1], range: [0, 1] },
        legend: null,
      },
    },
  }
  const numbers = {
    transform: [{ filter: 'datum.count > 0' }],
    mark: { type: 'text', fontSize: cell < 28 ? 8 : 10 },
    encoding: {
      ...place,
      text: { field: 'count', type: 'quantitative', format: cell < 34 ? '~s' : ',d' },
      color: { condition: { test: `datum.share > ${FULL}`, value: '#fefefe' }, value: '#000000' },
    },
  }
  const side = cell * labels.length
  return draw({
    title: title ?? '',
    data: { values },
    width: Math.max(side, cell),
    height: Math.max(side, cell),
    layer: labels.length <= MOST_NUMBERS ? [cells, numbers] : [cells],
  })
}
