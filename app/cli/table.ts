import { padEnd, padStart, widthOf } from './terminal.js'

/** Rows under a heading, in columns; all but the first column to the right, unless `left` says. */
export function table(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  left: readonly number[] = [0],
): string {
  const lines = [heading, ...rows]
  const widths = heading.map((_, column) =>
    Math.max(...lines.map((line) => widthOf(line[column] ?? ''))),
  )
  return lines
    .map((line) =>
      line
        .map((cell, column) => {
          const pad = left.includes(column) ? padEnd : padStart
          return pad(cell, widths[column] ?? 0)
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
