import { cliError } from '../messages.js'
import { clearLiveLine } from './live-line.js'
import { printError } from './print-error.js'

/** Exit status that a shell reports for a process ended by SIGPIPE, which Node ignores. */
const SIGPIPE_STATUS = 141

/** Prints a line of results to stdout. Resolves when it is written. */
export async function print(line: string): Promise<void> {
  clearLiveLine()
  // The listener of `exitOnOutputError` handles an error.
  await new Promise<void>((resolve) => process.stdout.write(`${line}\n`, () => resolve()))
}

/** Prints a message to stderr, which receives everything except results. */
export function log(line: string): void {
  clearLiveLine()
  process.stderr.write(`${line}\n`)
}

/**
 * Exits when stdout or stderr cannot be written: without a message when the reader of a pipe closed
 * it, with an error when results are lost. A run saves a checkpoint first.
 */
export function exitOnOutputError(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(SIGPIPE_STATUS)
      // A closed terminal also sends SIGHUP, unless the command continues in the background.
      if (error.code === 'EIO' || stream === process.stderr) return
      process.exit(printError(cliError.unwritableOutput(error)))
    })
  }
}
