import { styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

/**
 * Whether text on a stream is colored. A non-empty `NO_COLOR` disables colors; `FORCE_COLOR` other
 * than 0 enables them even in a file; otherwise terminals have colors unless `TERM` is `dumb`.
 */
export function hasColors(stream: NodeJS.WriteStream): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env
  if (NO_COLOR) return false
  if (FORCE_COLOR !== undefined) return !['0', 'false'].includes(FORCE_COLOR)
  return stream.isTTY && TERM !== 'dumb'
}

/** Returns the text in a style if the stream has colors, and unchanged otherwise. */
export function styled(stream: NodeJS.WriteStream, style: Style, text: string): string {
  // The validation of `styleText` would check stdout instead of this stream.
  return hasColors(stream) ? styleText(style, text, { validateStream: false }) : text
}
