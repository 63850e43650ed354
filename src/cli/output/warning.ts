import { withCommandName } from '../../errors/command-name.js'
import type { WarningEvent } from '../../index.js'
import { localizeHint } from '../arguments/config-sources.js'
import { styled } from './colors.js'
import { log } from './streams.js'
import { sanitize } from './terminal.js'

const { stderr } = process

/** Formats a warning of a run for stderr. */
export function formatWarning({ code, message, hint }: Omit<WarningEvent, 'file'>): string {
  const label = styled(stderr, 'yellow', 'warning')
  return [
    `${label}: ${sanitize(message)} ${styled(stderr, 'dim', `(${code})`)}`,
    ...(hint ? [`  ${sanitize(localizeHint(withCommandName(hint)))}`] : []),
  ].join('\n')
}

/** Prints a process warning of this package or of Node in the format of a warning of a run. */
export function printProcessWarning(warning: Error & { code?: string; detail?: string }): void {
  const { code = warning.name, message, detail } = warning
  const hint = detail === undefined ? {} : { hint: detail }
  log(formatWarning({ code: code as WarningEvent['code'], message, ...hint }))
}
