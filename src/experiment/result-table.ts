import type { MeanStd } from './mean-std.js'

/** A table of results. All cells are text; the first column contains names. */
export interface Table {
  header: readonly string[]
  rows: readonly (readonly string[])[]
  /** Paragraphs below the table. */
  notes?: readonly string[]
}

/** Formats a table as Markdown, with all columns but the first aligned to the right. */
export function toMarkdown({ header, rows, notes = [] }: Table): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`
  const alignment = header.map((_, column) => (column === 0 ? '---' : '---:'))
  const lines = [line(header), line(alignment), ...rows.map(line)]
  return `${[lines.join('\n'), ...notes].join('\n\n')}\n`
}

/** Formats a table as CSV (RFC 4180). */
export function toCsv({ header, rows }: Table): string {
  const cell = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
  return [header, ...rows].map((row) => `${row.map(cell).join(',')}\r\n`).join('')
}

/** Formats a fraction in percent without the sign, as the paper does: `8.75`. */
export function formatPercent(fraction: number): string {
  return (100 * fraction).toFixed(2)
}

/** Formats `8.75`, or `8.75 ± 0.12` for several seeds. */
export function formatMeanStd({ mean, std, values }: MeanStd): string {
  return values.length > 1 ? `${formatPercent(mean)} ± ${formatPercent(std)}` : formatPercent(mean)
}
