import { type Content, type Html, html } from './html.js'

/** A column: its heading, and whether numbers stand in it. */
export interface Column {
  heading: string
  numeric?: boolean | undefined
}

/** A table that scrolls by itself where it is wider than the page. Its first column names the rows. */
export function table(
  label: string,
  columns: readonly Column[],
  rows: readonly (readonly Content[])[],
): Html {
  const kind = (index: number) => (columns[index]?.numeric ? 'number' : 'word')
  const head = columns.map(
    ({ heading }, index) => html`<th scope="col" class="${kind(index)}">${heading}</th>`,
  )
  const body = rows.map((row) => {
    const cells = row.map((cell, index) =>
      index === 0
        ? html`<th scope="row" class="${kind(0)}">${cell}</th>`
        : html`<td class="${kind(index)}">${cell}</td>`,
    )
    return html`<tr>${cells}</tr>\n`
  })
  return html`<div class="scroll" role="region" tabindex="0" aria-label="${label}"><table>
<thead><tr>${head}</tr></thead>
<tbody>${body}</tbody></table></div>`
}

/** What is there for those who want it, and in nobody's way. */
export function folded(summary: string, content: Content): Html {
  return html`<details><summary>${summary}</summary>${content}</details>`
}
