import { formatPercent } from './format.js'
import { type Content, Html, html } from './html.js'

/** A column of a table. */
export interface Column {
  header: string
  /** Aligns the column to the right. */
  numeric?: boolean | undefined
}

/** Renders a table that scrolls horizontally if it is wider than the page. */
export function table(
  label: string,
  columns: readonly Column[],
  rows: readonly (readonly Content[])[],
): Html {
  const cellClass = (index: number) => (columns[index]?.numeric ? 'number' : 'word')
  const head = columns.map(
    ({ header }, index) => html`<th scope="col" class="${cellClass(index)}">${header}</th>`,
  )
  const body = rows.map((row) => {
    const cells = row.map((cell, index) =>
      index === 0
        ? html`<th scope="row" class="${cellClass(0)}">${cell}</th>`
        : html`<td class="${cellClass(index)}">${cell}</td>`,
    )
    return html`<tr>${cells}</tr>\n`
  })
  return html`<div class="scroll" role="region" tabindex="0" aria-label="${label}"><table>
<thead><tr>${head}</tr></thead>
<tbody>${body}</tbody></table></div>`
}

/** Creates the columns of a table: one of text, then columns of numbers. */
export function numericColumns(first: string, headers: readonly string[]): Column[] {
  return [{ header: first }, ...headers.map((header) => ({ header, numeric: true }))]
}

/** Renders a percentage with a bar behind it. */
export function percentBar(fraction: number): Html {
  const width = new Html((100 * fraction).toFixed(1))
  return html`<span class="bar" style="--share:${width}%">${formatPercent(fraction)}</span>`
}

/** Renders content that is collapsed until it is opened. */
export function collapsible(summary: string, content: Content): Html {
  return html`<details><summary>${summary}</summary>${content}</details>`
}
