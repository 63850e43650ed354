import { labelAxis } from './label-axis.js'
import { renderChart } from './render.js'

/** A confusion matrix. */
export interface MatrixChart {
  title?: string | undefined
  rowTitle: string
  columnTitle: string
  /** Labels of both the rows and the columns. */
  labels: readonly string[]
  /** `counts[row][column]` */
  counts: readonly (readonly number[])[]
  /** Side of a cell in pixels. Default: as large as the size of the matrix allows. */
  cellSize?: number | undefined
}

/** Cells show their counts in matrices of up to this number of rows. */
const MAX_NUMBERED_ROWS = 15
/** Preferred side of the matrix in pixels, from which the size of a cell is computed. */
const MATRIX_SIZE = 330
/** Minimum and maximum side of a cell in pixels. */
const [MIN_CELL_SIZE, MAX_CELL_SIZE] = [9, 44]
/** Color of a cell at full opacity. */
const CELL_COLOR = '#005a8f'
/**
 * Fraction above which the count of a cell is white instead of black. The contrast between count
 * and cell is then always at least 4.5 (WCAG AA).
 */
const WHITE_TEXT_ABOVE = 0.64

/**
 * Renders a confusion matrix as SVG. The opacity of a cell is the square root of its fraction of
 * the displayed counts in the row, so that confusions of a few percent remain visible.
 */
export function matrixChart(chart: MatrixChart): Promise<string> {
  const { title = '', rowTitle, columnTitle, labels, counts } = chart
  const preferredSize = Math.floor(MATRIX_SIZE / Math.max(1, labels.length))
  const cellSize = chart.cellSize ?? Math.max(MIN_CELL_SIZE, Math.min(MAX_CELL_SIZE, preferredSize))
  const values = counts.flatMap((row, i) => {
    const total = row.reduce((sum, count) => sum + count, 0)
    return row.map((count, j) => ({ i, j, count, fraction: total === 0 ? 0 : count / total }))
  })
  const { domain, labelExpr } = labelAxis(labels)
  const axis = (axisTitle: string) => ({
    type: 'ordinal',
    title: axisTitle,
    scale: { domain, padding: 0 },
    axis: {
      labelExpr,
      labelLimit: 110,
      labelOverlap: false,
      ticks: false,
      domain: false,
      ...(cellSize < 12 && { labelFontSize: 8 }),
    },
  })
  const columnAxis = axis(columnTitle)
  const position = {
    x: { field: 'j', ...columnAxis, axis: { ...columnAxis.axis, labelAngle: -45 } },
    y: { field: 'i', ...axis(rowTitle) },
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
    mark: { type: 'text', fontSize: cellSize < 28 ? 8 : 10 },
    encoding: {
      ...position,
      text: { field: 'count', type: 'quantitative', format: cellSize < 34 ? '~s' : ',d' },
      color: {
        // Not #ffffff, so that tests can select the counts on dark cells by their color.
        condition: { test: `datum.fraction > ${WHITE_TEXT_ABOVE}`, value: '#fefefe' },
        value: '#000000',
      },
    },
  }
  const side = Math.max(cellSize, cellSize * labels.length)
  return renderChart({
    title,
    data: { values },
    width: side,
    height: side,
    layer: labels.length <= MAX_NUMBERED_ROWS ? [cells, numbers] : [cells],
  })
}
