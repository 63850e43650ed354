import { cliError } from '../messages.js'
import { clearLiveLine } from './live-line.js'
import { printError } from './print-error.js'
import { outputWidth, wrapLines } from './terminal.js'

/** Exit status that a shell reports for a process ended by SIGPIPE, which Node ignores. */
const SIGPIPE_STATUS = 141

/** Prints a line of results to stdout. Resolves when the line is written. */
export async function print(line: string): Promise<void> {
  clearLiveLine()
  // The listener of `exitOnOutputError` handles an error.
  await new Promise<void>((resolve) => process.stdout.write(`${line}\n`, () => resolve()))
}

/**
 * Prints a message to stderr, which receives everything except results. Long lines are wrapped at
 * words on a terminal.
 */
export function log(line: string): void {
  clearLiveLine()
  process.stderr.write(`${wrapLines(line, outputWidth(process.stderr))}\n`)
}

/**
 * Exits without a message when the reader of a pipe has closed stdout or stderr, and with an error
 * when results cannot be written to stdout. A run saves a checkpoint first. Other errors of stderr
 * are ignored.
 */
export function exitOnOutputError(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(SIGPIPE_STATUS)
      // EIO: the terminal was closed. `InterruptHandler` handles the SIGHUP that follows, if any.
      if (error.code === 'EIO' || stream === process.stderr) return
      process.exit(printError(cliError.unwritableOutput(error)))
    })
  }
}
