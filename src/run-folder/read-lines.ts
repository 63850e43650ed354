import { createReadStream } from 'node:fs'

/** Maximum length of a line in bytes, which bounds the memory for a damaged file. */
const MAX_LINE_SIZE = 16 * 2 ** 20

/** A line of a file. */
export interface Line {
  /** Undefined if the line is longer than the maximum. */
  text: string | undefined
  /** Whether a line feed ends the line. */
  isComplete: boolean
}

/**
 * Reads a file line by line, since the log of a long run is large.
 *
 * @throws the error of the file system
 */
export async function* readLines(file: string): AsyncGenerator<Line> {
  let parts: Buffer[] = []
  let size = 0
  const take = (isComplete: boolean): Line => {
    const text = size > MAX_LINE_SIZE ? undefined : Buffer.concat(parts).toString('utf8')
    parts = []
    size = 0
    return { text, isComplete }
  }
  const add = (part: Buffer) => {
    size += part.length
    if (size <= MAX_LINE_SIZE) parts.push(part)
    else parts = []
  }
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    let start = 0
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      add(chunk.subarray(start, end))
      yield take(true)
      start = end + 1
    }
    add(chunk.subarray(start))
  }
  if (size > 0) yield take(false)
}
