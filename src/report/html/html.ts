import { escapeXml } from '../../image-grid/svg-text.js'

/** HTML in which all text has been escaped. */
export class Html {
  readonly markup: string

  /** @param markup trusted markup */
  constructor(markup: string) {
    this.markup = markup
  }
}

/** Content of an HTML template; a list is concatenated without separators. */
export type Content = Html | string | number | undefined | readonly Content[]

/** Template tag for HTML: escapes every value that is not `Html` itself. */
export function html(strings: TemplateStringsArray, ...values: Content[]): Html {
  const parts = strings.map((text, index) => `${text}${toMarkup(values[index])}`)
  return new Html(parts.join(''))
}

function toMarkup(content: Content): string {
  if (content === undefined) return ''
  if (content instanceof Html) return content.markup
  if (Array.isArray(content)) return content.map(toMarkup).join('')
  return escapeXml(String(content))
}

/** Isolates a user-defined name, so that right-to-left text does not reorder its surroundings. */
export function isolate(text: string): Html {
  return html`<bdi>${text}</bdi>`
}
