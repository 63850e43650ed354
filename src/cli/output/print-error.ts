import { CommanderError } from 'commander'
import { exitStatus, type Place, ResidualError } from '../../index.js'
import { paint } from './colors.js'
import { harmless } from './terminal.js'

const USAGE = 2

/**
 * Tells of a failure on stderr: what, where, and what to do next.
 *
 * @returns the status to exit with
 */
export function report(error: unknown): number {
  // Commander has told of its own.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE
  const { stderr } = process
  const label = paint(stderr, ['red', 'bold'], 'error')
  if (!(error instanceof ResidualError)) {
    const { hint } = new ResidualError({ code: 'E_INTERNAL', message: '' })
    stderr.write(`${label}: ${error instanceof Error ? error.stack : String(error)}\n  ${hint}\n`)
    return exitStatus.E_INTERNAL
  }
  stderr.write(`${label}: ${harmless(error.message)} ${paint(stderr, 'dim', `(${error.code})`)}\n`)
  const place = inWords(error.at)
  if (place !== undefined && !error.message.includes(place))
    stderr.write(`  at ${harmless(place)}
`)
  stderr.write(`  ${harmless(error.hint)}
`)
  return exitStatus[error.code]
}

function inWords({ key, file, line }: Place): string | undefined {
  return file === undefined ? key : line === undefined ? file : `${file}:${line}`
}
