import { once } from 'node:events'

/** What a shell reports for a command that SIGPIPE ended, which Node ignores. */
const SIGPIPE_STATUS = 141

/** Prints a line of data; waits if the reader is slower than we are. */
export async function print(line: string): Promise<void> {
  if (!process.stdout.write(`${line}\n`)) await once(process.stdout, 'drain')
}

/** Says something that is not data. */
export function tell(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** Ends the process, quietly and with what was trained saved, when nobody reads it any more. */
export function endWithItsReader(stream: NodeJS.WriteStream): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(SIGPIPE_STATUS)
  })
}
