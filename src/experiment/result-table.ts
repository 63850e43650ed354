import type { MeanStd } from './mean-std.js'

/** A table as it is published: every cell a text, the first column names. */
export interface Table {
  heading: readonly string[]
  rows: readonly (readonly string[])[]
  /** What a reader has to know of the numbers; each a paragraph below. */
  notes?: readonly string[]
}

/** As Markdown, all but the first column to the right. */
export function toMarkdown({ heading, rows, notes = [] }: Table): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`
  const rule = heading.map((_, column) => (column === 0 ? '---' : '---:'))
  const lines = [line(heading), line(rule), ...rows.map(line)]
  return `${[lines.join('\n'), ...notes].join('\n\n')}\n`
}

/** As CSV (RFC 4180). */
export function toCsv({ heading, rows }: Table): string {
  const cell = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
  return [heading, ...rows].map((row) => `${row.map(cell).join(',')}\r\n`).join('')
}

/** A share from 0 to 1 in percent, as the paper prints errors: `8.75`. */
export function formatPercent(share: number): string {
  return (100 * share).toFixed(2)
}

/** `8.75`, or `8.75 ± 0.12` where it was measured more than once. */
export function formatMeanStd({ mean, std, values }: MeanStd): string {
  return values.length > 1 ? `${formatPercent(mean)} ± ${formatPercent(std)}` : formatPercent(mean)
}
