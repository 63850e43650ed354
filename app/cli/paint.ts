import { styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

/** Text in a style, if the stream shows any: not in a file, and not if NO_COLOR is set. */
export function paint(stream: NodeJS.WriteStream, style: Style, text: string): string {
  return stream.isTTY && stream.hasColors() ? styleText(style, text) : text
}
