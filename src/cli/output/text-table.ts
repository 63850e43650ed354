import { fitting, GAP } from './fit-columns.js'
import { padEnd, padStart, widthOf } from './terminal.js'

interface Layout {
  /** Columns that stand to the left; by default the first one. */
  left?: readonly number[]
  /** How much each column is missed where there is no room; by default none is left out. */
  worth?: readonly number[]
  /** Places in a row. */
  room?: number
}

/** Rows under a heading, in columns. */
export function table(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  { left = [0], worth = [], room = Number.POSITIVE_INFINITY }: Layout = {},
): string {
  const lines = [heading, ...rows]
  const columns = heading.map((_, at) => ({
    at,
    pad: left.includes(at) ? padEnd : padStart,
    width: Math.max(...lines.map((line) => widthOf(line[at] ?? ''))),
    worth: worth[at] ?? Number.POSITIVE_INFINITY,
  }))
  const shown = fitting(
    columns,
    worth.length > 0 ? room : Number.POSITIVE_INFINITY,
    ({ width }) => width,
  )
  return lines
    .map((line) =>
      shown
        .map(({ at, pad, width }) => pad(line[at] ?? '', width))
        .join(GAP)
        .trimEnd(),
    )
    .join('\n')
}
