import { fitColumns, GAP } from './fit-columns.js'
import { displayWidth, padEnd, padStart, wrap } from './terminal.js'

interface TableLayout {
  /** Indices of the left-aligned columns. Default: the first one. */
  left?: readonly number[]
  /** Priority of each column; the lowest are dropped in a narrow terminal. Default: drop none. */
  priorities?: readonly number[]
  /** Width of a row in columns. Default: unlimited. */
  width?: number
  /**
   * Whether the last column is wrapped at words to fit into the width, or, if it does not fit, all
   * columns are below the first one. Default: false.
   */
  wrapLast?: boolean
}

/** Minimum width of a wrapped column; a narrower one would have a word per line. */
const MIN_WRAPPED_WIDTH = 16

/** Formats rows below a header row as aligned columns. */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  layout: TableLayout = {},
): string {
  const { left = [0], priorities = [], width: maxWidth = Number.POSITIVE_INFINITY } = layout
  const lines = [header, ...rows]
  const columns = header.map((_, index) => ({
    index,
    pad: left.includes(index) ? padEnd : padStart,
    width: Math.max(...lines.map((line) => displayWidth(line[index] ?? ''))),
    priority: priorities[index] ?? Number.POSITIVE_INFINITY,
  }))
  const shown = fitColumns(
    columns,
    priorities.length > 0 ? maxWidth : Number.POSITIVE_INFINITY,
    ({ width }) => width,
  )
  const formatted = lines.map((line) =>
    shown
      .map(({ index, pad, width }) => pad(line[index] ?? '', width))
      .join(GAP)
      .trimEnd(),
  )
  if (!layout.wrapLast) return formatted.join('\n')
  const indent = shown.slice(0, -1).reduce((sum, { width }) => sum + width + GAP.length, 0)
  if (maxWidth - indent >= MIN_WRAPPED_WIDTH) {
    return formatted.map((line) => wrap(line, maxWidth, ' '.repeat(indent))).join('\n')
  }
  // In a narrow terminal, all other cells are below the first one.
  return rows
    .map(([first = '', ...others]) => {
      const cells = others.filter((cell) => cell !== '').join(GAP)
      return `${first}\n${wrap(`${GAP}${cells}`, maxWidth, GAP)}`
    })
    .join('\n')
}
