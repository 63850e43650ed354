import stringWidth from 'string-width'

/** Width in columns of a terminal that does not report its width. */
const DEFAULT_WIDTH = 80

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** Control characters and bidirectional overrides, which a terminal would interpret. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern matches control characters
const CONTROL = /[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g

/** Whether a stream is a terminal with a user; CI systems may provide a terminal without one. */
export function isInteractive(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY && !process.env.CI
}

/** Whether a line can be redrawn in place. */
export function canRedraw(stream: NodeJS.WriteStream): boolean {
  return isInteractive(stream) && process.env.TERM !== 'dumb'
}

/** Returns the width of a stream in columns; outside a terminal, COLUMNS or 80. */
export function terminalWidth(stream: NodeJS.WriteStream): number {
  return reportedWidth(stream) ?? DEFAULT_WIDTH
}

/**
 * Returns the width for results. Outside a terminal it is infinite unless COLUMNS is set, so that
 * results are not truncated in a pipe.
 */
export function outputWidth(stream: NodeJS.WriteStream): number {
  return reportedWidth(stream) ?? Number.POSITIVE_INFINITY
}

/** Returns the width of the terminal or COLUMNS; undefined if neither is a positive integer. */
function reportedWidth(stream: NodeJS.WriteStream): number | undefined {
  const columns = process.env.COLUMNS ?? ''
  return stream.columns || (/^\d+$/.test(columns) && Number(columns)) || undefined
}

/** Returns the columns that a text occupies: two for a Chinese character, zero for a color code. */
export function displayWidth(text: string): number {
  return stringWidth(text)
}

/** Replaces control characters in untrusted text, such as the name of a file or a class. */
export function sanitize(text: string): string {
  return text.replace(CONTROL, '\ufffd')
}

/** Truncates an unstyled text to a width in columns, with an ellipsis at its end. */
export function truncate(text: string, maxWidth: number): string {
  if (displayWidth(text) <= maxWidth) return text
  let [truncated, width] = ['', 1] // 1 for the ellipsis
  for (const { segment } of graphemes.segment(text)) {
    width += displayWidth(segment)
    if (width > maxWidth) break
    truncated += segment
  }
  return `${truncated}…`
}

/** Truncates a path at its beginning, since its end is more specific. */
export function truncatePath(path: string, maxWidth: number): string {
  if (displayWidth(path) <= maxWidth) return path
  const parts = Array.from(graphemes.segment(path), ({ segment }) => segment)
  let width = displayWidth(path) + 1
  while (parts.length > 0 && width > maxWidth) width -= displayWidth(parts.shift() as string)
  return `…${parts.join('')}`
}

/**
 * Wraps a text between words into lines of at most `maxWidth` columns; a longer word is not broken.
 * Lines after the first start with `indent`, which counts towards the width.
 */
export function wrap(text: string, maxWidth: number, indent = ''): string {
  const [first = '', ...words] = text.match(/\s*\S+/g) ?? []
  const lines = [first]
  for (const word of words) {
    const line = `${lines.at(-1)}${word}`
    if (displayWidth(line) <= maxWidth) lines[lines.length - 1] = line
    else lines.push(`${indent}${word.trimStart()}`)
  }
  return lines.join('\n')
}

/**
 * Wraps the lines of a text between words. The continuation of a line is indented by two columns more
 * than the line.
 */
export function wrapLines(text: string, maxWidth: number): string {
  if (maxWidth === Number.POSITIVE_INFINITY) return text
  return text
    .split('\n')
    .map((line) => wrap(line, maxWidth, `${/^ */.exec(line)?.[0]}  `))
    .join('\n')
}

/** Appends spaces up to a width in columns. */
export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - displayWidth(text)))
}

/** Prepends spaces up to a width in columns. */
export function padStart(text: string, width: number): string {
  return ' '.repeat(Math.max(0, width - displayWidth(text))) + text
}
