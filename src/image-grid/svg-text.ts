/** What XML gives a meaning to, or does not allow at all. */
const SPECIAL = /[&<>"']/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: those that XML 1.0 has no way to write
const FORBIDDEN = /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|\p{Surrogate}/gu

/** A text as it may stand in an SVG, as content or as an attribute. */
export function escapeXml(text: string): string {
  return text
    .replace(FORBIDDEN, '\ufffd')
    .replace(SPECIAL, (character) => `&#${character.charCodeAt(0)};`)
}

/** Made when it is first wanted: that takes 20 ms, which every import would pay. */
let graphemes: Intl.Segmenter | undefined

function segments(text: string): Intl.Segments {
  graphemes ??= new Intl.Segmenter(undefined, { granularity: 'grapheme' })
  return graphemes.segment(text)
}

/** Widths in DejaVu Sans, in shares of the font's size. A little too wide rather than too narrow. */
function widthOf(grapheme: string): number {
  if (/^[iIjl.,:;'|! ()[\]/\\]/.test(grapheme)) return 0.4
  if (/^[frt-]/.test(grapheme)) return 0.42
  if (/^[mwMW@%]/.test(grapheme)) return 1
  if (/^[A-Z&]/.test(grapheme)) return 0.74
  return grapheme < '\u0700' ? 0.64 : 1.05
}

/** The width of a text in one line, in pixels, nearly. */
export function textWidth(text: string, fontSize: number): number {
  let width = 0
  for (const { segment } of segments(text)) width += widthOf(segment)
  return width * fontSize
}

/** As much of a text as there is room for in one line, with an ellipsis if it is not all. */
export function truncateText(text: string, room: number, fontSize: number): string {
  const line = text.replace(/\s+/g, ' ').trim()
  if (textWidth(line, fontSize) <= room) return line
  let kept = ''
  let width = textWidth('…', fontSize)
  for (const { segment } of segments(line)) {
    width += widthOf(segment) * fontSize
    if (width > room) break
    kept += segment
  }
  return `${kept.trimEnd()}…`
}
