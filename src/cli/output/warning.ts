import type { WarningEvent } from '../../index.js'
import { paint } from './colors.js'
import { harmless } from './terminal.js'

const { stderr } = process

/** What a run goes on in spite of, as it is told on stderr: always, for what is no progress. */
export function warning({ code, message, hint }: WarningEvent): string {
  const label = paint(stderr, 'yellow', 'warning')
  return [
    `${label}: ${harmless(message)} ${paint(stderr, 'dim', `(${code})`)}`,
    ...(hint ? [`  ${hint}`] : []),
  ].join('\n')
}
