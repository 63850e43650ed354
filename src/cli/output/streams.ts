import { once } from 'node:events'

/** Exit status that a shell reports for a process ended by SIGPIPE, which Node ignores. */
const SIGPIPE_STATUS = 141

/** Prints a line of results to stdout. Waits for the stream to drain if its buffer is full. */
export async function print(line: string): Promise<void> {
  if (!process.stdout.write(`${line}\n`)) await once(process.stdout, 'drain')
}

/** Prints a message to stderr, which receives everything except results. */
export function log(line: string): void {
  process.stderr.write(`${line}\n`)
}

/**
 * Exits without a message when the reader of a stream closes it. A run saves a checkpoint first.
 */
export function exitOnBrokenPipe(stream: NodeJS.WriteStream): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(SIGPIPE_STATUS)
  })
}
