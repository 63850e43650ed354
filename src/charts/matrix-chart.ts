import { labelAxis } from './label-axis.js'
import { renderChart } from './render.js'

/** A confusion matrix. */
export interface MatrixChart {
  title?: string | undefined
  /** Titles of the axes. */
  rows: string
  columns: string
  /** Labels of both the rows and the columns. */
  labels: readonly string[]
  /** `counts[row][column]` */
  counts: readonly (readonly number[])[]
  /** Side of a cell in pixels. Default: as large as the chart allows. */
  cell?: number | undefined
}

/** Maximum number of rows for a matrix whose cells show their counts. */
const MAX_NUMBERED_ROWS = 15
/** Side of the matrix in pixels, as far as the minimum and maximum cell sizes allow it. */
const MATRIX_SIZE = 330
const [MIN_CELL, MAX_CELL] = [9, 44]
/**
 * Color of a cell at full opacity. Numbers are white above the fraction `WHITE_TEXT_ABOVE` and
 * black below; either way their contrast is at least 4.5.
 */
const CELL_COLOR = '#005a8f'
const WHITE_TEXT_ABOVE = 0.64

/**
 * Renders a confusion matrix as SVG. The opacity of a cell is the square root of its fraction of
 * the row, so that confusions of a few percent remain visible.
 */
export function matrixChart(chart: MatrixChart): Promise<string> {
  const { title = '', rows, columns, labels, counts } = chart
  const fitted = Math.floor(MATRIX_SIZE / Math.max(1, labels.length))
  const cell = chart.cell ?? Math.max(MIN_CELL, Math.min(MAX_CELL, fitted))
  const values = counts.flatMap((row, i) => {
    const total = row.reduce((sum, count) => sum + count, 0)
    return row.map((count, j) => ({ i, j, count, fraction: total === 0 ? 0 : count / total }))
  })
  const { domain, labelExpr } = labelAxis(labels)
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
  const columnAxis = axis(columns)
  const position = {
    x: { field: 'j', ...columnAxis, axis: { ...columnAxis.axis, labelAngle: -45 } },
    y: { field: 'i', ...axis(rows) },
  }
  const cells = {
    mark: { type: 'rect', color: CELL_COLOR },
    encoding: {
      ...position,
      opacity: {
        field: 'fraction',
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
      ...position,
      text: { field: 'count', type: 'quantitative', format: cell < 34 ? '~s' : ',d' },
      color: {
        condition: { test: `datum.fraction > ${WHITE_TEXT_ABOVE}`, value: '#fefefe' },
        value: '#000000',
      },
    },
  }
  const side = Math.max(cell, cell * labels.length)
  return renderChart({
    title,
    data: { values },
    width: side,
    height: side,
    layer: labels.length <= MAX_NUMBERED_ROWS ? [cells, numbers] : [cells],
  })
}
