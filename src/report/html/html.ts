import { escapeXml } from '../../image-grid/svg-text.js'

/** A piece of a page, in which everything that was text is escaped. */
export class Html {
  readonly markup: string

  /** @param markup nothing that came from outside */
  constructor(markup: string) {
    this.markup = markup
  }
}

/** What may stand in a piece of a page; a list is written without anything between. */
export type Content = Html | string | number | undefined | readonly Content[]

/** A piece of a page. Whatever stands in it is escaped, unless it is such a piece itself. */
export function html(strings: TemplateStringsArray, ...values: Content[]): Html {
  const parts = strings.map((text, index) => `${text}${markup(values[index])}`)
  return new Html(parts.join(''))
}

function markup(content: Content): string {
  if (content === undefined) return ''
  if (content instanceof Html) return content.markup
  if (Array.isArray(content)) return content.map(markup).join('')
  return escapeXml(String(content))
}

/** A name that somebody chose, in whatever script, without a say in what stands around it. */
export function name(text: string): Html {
  return html`<bdi>${text}</bdi>`
}
