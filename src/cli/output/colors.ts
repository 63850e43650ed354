import { styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

/**
 * Whether a stream is given colours. `NO_COLOR` (not empty) forbids them, `FORCE_COLOR` (not 0)
 * wants them even in a file; else a terminal has them, unless it is a `dumb` one.
 */
export function isColoured(stream: NodeJS.WriteStream): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env
  if (NO_COLOR) return false
  if (FORCE_COLOR !== undefined) return !['0', 'false'].includes(FORCE_COLOR)
  return stream.isTTY && TERM !== 'dumb'
}

/** Text in a style, if the stream shows any. */
export function paint(stream: NodeJS.WriteStream, style: Style, text: string): string {
  // Node's own check would ask another stream than this one.
  return isColoured(stream) ? styleText(style, text, { validateStream: false }) : text
}
