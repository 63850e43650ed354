import stringWidth from 'string-width'

/** What is assumed of a terminal that does not tell. */
const COLUMNS = 80

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** What a terminal would act upon instead of showing it. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for
const CONTROL = /[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g

/** Whether somebody sits before it: at a terminal, which a CI's log may look like. */
export function isAttended(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY && !process.env.CI
}

/** Whether a line can be drawn over and over. */
export function isLive(stream: NodeJS.WriteStream): boolean {
  return isAttended(stream) && process.env.TERM !== 'dumb'
}

/** Characters in a row; of what is no terminal, as many as COLUMNS says, or 80. */
export function columnsOf(stream: NodeJS.WriteStream): number {
  return told(stream) || COLUMNS
}

/** The same for data, of which nothing may be missing where it is piped on: there, without end. */
export function roomIn(stream: NodeJS.WriteStream): number {
  return told(stream) || Number.POSITIVE_INFINITY
}

function told(stream: NodeJS.WriteStream): number {
  return stream.columns || Number(/^\d+$/.exec(process.env.COLUMNS ?? '')?.[0])
}

/** The places that a text takes in a row: two for a Chinese character, none for a colour. */
export function widthOf(text: string): number {
  return stringWidth(text)
}

/** A text of somebody else's (a file, a class) as it may be shown: it cannot move the cursor. */
export function harmless(text: string): string {
  return text.replace(CONTROL, '\ufffd')
}

/** As much of an uncoloured text as has room, with an ellipsis if that is not all. */
export function shorten(text: string, room: number): string {
  if (widthOf(text) <= room) return text
  let [kept, width] = ['', 1]
  for (const { segment } of graphemes.segment(text)) {
    width += widthOf(segment)
    if (width > room) break
    kept += segment
  }
  return `${kept}…`
}

/** As much of a path as has room: its end tells more than its beginning. */
export function shortenPath(path: string, room: number): string {
  if (widthOf(path) <= room) return path
  const parts = Array.from(graphemes.segment(path), ({ segment }) => segment)
  let width = widthOf(path) + 1
  while (parts.length > 0 && width > room) width -= widthOf(parts.shift() as string)
  return `…${parts.join('')}`
}

/** A text in rows that have room, broken between words; all but the first one begin with `indent`. */
export function wrap(text: string, room: number, indent = ''): string {
  const [first = '', ...words] = text.match(/\s*\S+/g) ?? []
  const rows = [first]
  for (const word of words) {
    const row = `${rows.at(-1)}${word}`
    if (widthOf(row) <= room) rows[rows.length - 1] = row
    else rows.push(`${indent}${word.trimStart()}`)
  }
  return rows.join('\n')
}

/** A text with spaces behind it, so that it fills a column. */
export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)))
}

/** A text with spaces before it, so that it fills a column. */
export function padStart(text: string, width: number): string {
  return ' '.repeat(Math.max(0, width - widthOf(text))) + text
}
