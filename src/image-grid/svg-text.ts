/** Characters with a special meaning in XML. */
const SPECIAL = /[&<>"']/g
/** Characters that XML 1.0 does not allow, even escaped. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern matches control characters
const FORBIDDEN = /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|\p{Surrogate}/gu

/** Replaces characters that XML does not allow, such as control characters. */
export function replaceForbidden(text: string): string {
  return text.replace(FORBIDDEN, '\ufffd')
}

/** Escapes a text for XML, as content or in an attribute. */
export function escapeXml(text: string): string {
  return replaceForbidden(text).replace(SPECIAL, (character) => `&#${character.charCodeAt(0)};`)
}

/** Created on first use, since the constructor takes 20 ms. */
let graphemes: Intl.Segmenter | undefined

function segments(text: string): Intl.Segments {
  graphemes ??= new Intl.Segmenter(undefined, { granularity: 'grapheme' })
  return graphemes.segment(text)
}

/** Estimates an upper bound of the width of a grapheme in DejaVu Sans, relative to the font size. */
function graphemeWidth(grapheme: string): number {
  if (/^[iIjl.,:;'|! ()[\]/\\]/.test(grapheme)) return 0.4
  if (/^[frt-]/.test(grapheme)) return 0.42
  if (/^[mwMW@%]/.test(grapheme)) return 1
  if (/^[A-Z&]/.test(grapheme)) return 0.74
  return grapheme < '\u0700' ? 0.64 : 1.05
}

/** Estimates the width of a line of text in pixels. */
export function textWidth(text: string, fontSize: number): number {
  let width = 0
  for (const { segment } of segments(text)) width += graphemeWidth(segment)
  return width * fontSize
}

/** Truncates a text to one line of a width in pixels, with an ellipsis at its end. */
export function truncateText(text: string, maxWidth: number, fontSize: number): string {
  const line = text.replace(/\s+/g, ' ').trim()
  if (textWidth(line, fontSize) <= maxWidth) return line
  let truncated = ''
  let width = textWidth('…', fontSize)
  for (const { segment } of segments(line)) {
    width += graphemeWidth(segment) * fontSize
    if (width > maxWidth) break
    truncated += segment
  }
  return `${truncated.trimEnd()}…`
}
