import { CommanderError } from 'commander'
import { fromSystemError } from '../../errors/system-error.js'
import { type ErrorLocation, exitStatus, ResidualError } from '../../index.js'
import { localizeError } from '../arguments/config-sources.js'
import { styled } from './colors.js'
import { clearLiveLine } from './live-line.js'
import { outputWidth, sanitize, wrapLines } from './terminal.js'

const USAGE_STATUS = 2

/**
 * Prints an error to stderr: what happened, where, and what to do.
 *
 * @returns the exit status
 */
export function printError(cause: unknown): number {
  const error = fromSystemError(cause) ?? cause
  // Commander has already printed its message.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_STATUS
  clearLiveLine()
  const { stderr } = process
  const label = styled(stderr, ['red', 'bold'], 'error')
  if (!(error instanceof ResidualError)) {
    const { hint } = new ResidualError({ code: 'E_INTERNAL', message: '' })
    stderr.write(`${label}: ${error instanceof Error ? error.stack : String(error)}\n`)
    writeWrapped(`  ${hint}`)
    return exitStatus.E_INTERNAL
  }
  const code = styled(stderr, 'dim', `(${error.code})`)
  const { place = formatPlace(error.at), hint } = localizeError(error)
  writeWrapped(`${label}: ${sanitize(error.message)} ${code}`)
  if (place !== undefined && !error.message.includes(place)) {
    writeWrapped(`  at ${sanitize(place)}`)
  }
  writeWrapped(`  ${sanitize(hint)}`)
  return exitStatus[error.code]
}

function writeWrapped(line: string): void {
  const { stderr } = process
  stderr.write(`${wrapLines(line, outputWidth(stderr))}\n`)
}

function formatPlace({ key, file, line }: ErrorLocation): string | undefined {
  return file === undefined ? key : line === undefined ? file : `${file}:${line}`
}
