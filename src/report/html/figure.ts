import { type Content, Html, html } from './html.js'
import { folded } from './table.js'

/** A figure: on the page, and as files of its own. */
export interface Figure {
  /** Of its files, and unique on its page. */
  name: string
  svg: string
  /** What it shows, for those who do not see it. */
  label: string
  caption: Content
  /** The same as a table. */
  numbers?: Html | undefined
}

/** A figure within a page, which gives it its colours. */
export function showFigure({ name, svg, label, caption, numbers }: Figure): Html {
  const behind = numbers && folded('The numbers behind this figure', numbers)
  return html`<figure class="plot">${inline(svg, name, label)}
<figcaption>${caption}</figcaption>${behind}</figure>\n`
}

/** Attributes by which Vega says of every mark what it is; nobody hears them within an image. */
const SPOKEN = / (role="graphics-[^"]*"|aria-[a-z]+="[^"]*")/g

/** An SVG of ours as a part of a page: one image, of the width that there is. */
function inline(svg: string, name: string, label: string): Html {
  const [, width, height] = /<svg[^>]*? width="(\d+)" height="(\d+)"/.exec(svg) ?? []
  const drawn = svg
    .slice(svg.indexOf('>', svg.indexOf('<svg')) + 1)
    .replace(/<[^>]*>/g, (tag) =>
      // What one figure calls clip0 must not clip another one.
      tag.replace(SPOKEN, '').replace(/(\bid="|url\(#|href="#)/g, `$1${name}-`),
    )
    .trim()
  const size = html`viewBox="0 0 ${width} ${height}" style="max-width:${1.35 * Number(width)}px"`
  return html`<svg ${size} role="img" aria-label="${label}">${new Html(drawn)}`
}
