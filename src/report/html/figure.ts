import { type Content, Html, html } from './html.js'
import { collapsible } from './table.js'

/** A chart of a report, embedded in the page and also written as files. */
export interface Figure {
  /** Base name of the files; unique on a page. */
  name: string
  svg: string
  /** Text alternative. */
  label: string
  caption: Content
  /** Data of the chart as a table, collapsed below the caption. */
  dataTable?: Html | undefined
}

/**
 * Renders a chart as part of a page. The style sheet of the page changes its colors in dark mode.
 */
export function renderFigure({ name, svg, label, caption, dataTable }: Figure): Html {
  const details = dataTable && collapsible('Show data', dataTable)
  return html`<figure class="plot">${inlineSvg(svg, name, label)}
<figcaption>${caption}</figcaption>${details}</figure>\n`
}

/**
 * Attributes with which Vega describes every mark. Screen readers ignore them inside an element
 * with role `img`.
 */
const MARK_DESCRIPTIONS = / (role="graphics-[^"]*"|aria-[a-z]+="[^"]*")/g

/** Embeds an SVG document as one image that scales to the width of the page. */
function inlineSvg(svg: string, name: string, label: string): Html {
  const [, width, height] = /<svg[^>]*? width="(\d+)" height="(\d+)"/.exec(svg) ?? []
  const content = svg
    .slice(svg.indexOf('>', svg.indexOf('<svg')) + 1)
    .replace(/<[^>]*>/g, (tag) =>
      // Ids are prefixed because every figure of Vega contains an element with the id `clip0`.
      tag.replace(MARK_DESCRIPTIONS, '').replace(/(\bid="|url\(#|href="#)/g, `$1${name}-`),
    )
    .trim()
  const size = html`viewBox="0 0 ${width} ${height}" style="max-width:${1.35 * Number(width)}px"`
  return html`<svg ${size} role="img" aria-label="${label}">${new Html(content)}`
}
