import { once } from 'node:events'

/** Exit status that a shell reports for a command ended by SIGPIPE, a signal that Node ignores. */
const SIGPIPE_STATUS = 141

/** Prints a line of data to stdout and waits while the reader is slower than the writer. */
export async function print(line: string): Promise<void> {
  if (!process.stdout.write(`${line}\n`)) await once(process.stdout, 'drain')
}

/** Prints a message to stderr, which carries everything that is not data. */
export function log(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** Exits quietly when the reader of a stream goes away; a run in progress saves a checkpoint. */
export function exitOnBrokenPipe(stream: NodeJS.WriteStream): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(SIGPIPE_STATUS)
  })
}
