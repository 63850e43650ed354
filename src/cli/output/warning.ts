import type { WarningEvent } from '../../index.js'
import { styled } from './colors.js'
import { sanitize } from './terminal.js'

const { stderr } = process

/** Formats a warning of a run for stderr. */
export function formatWarning({ code, message, hint }: WarningEvent): string {
  const label = styled(stderr, 'yellow', 'warning')
  return [
    `${label}: ${sanitize(message)} ${styled(stderr, 'dim', `(${code})`)}`,
    ...(hint ? [`  ${hint}`] : []),
  ].join('\n')
}
