import { fitColumns, GAP } from './fit-columns.js'
import { displayWidth, padEnd, padStart } from './terminal.js'

interface TableLayout {
  /** Indices of the left-aligned columns. Default: the first one. */
  left?: readonly number[]
  /** Priority of each column; the lowest are dropped in a narrow terminal. Default: drop none. */
  priorities?: readonly number[]
  /** Width of a row in columns. Default: unlimited. */
  width?: number
}

/** Formats rows below a header row as aligned columns. */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  { left = [0], priorities = [], width: maxWidth = Number.POSITIVE_INFINITY }: TableLayout = {},
): string {
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
  return lines
    .map((line) =>
      shown
        .map(({ index, pad, width }) => pad(line[index] ?? '', width))
        .join(GAP)
        .trimEnd(),
    )
    .join('\n')
}
