// Protocol of ../worker.mjs, in the benchmarked process.

import { createInterface } from 'node:readline'

/** Reads the configuration, which is the first argument as JSON. */
export function readConfig() {
  return JSON.parse(process.argv[2] ?? '{}')
}

/** @param {unknown} value */
export function writeLine(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

/**
 * Writes the description of this process, and runs units of work on request until stdin is closed.
 *
 * @param {Record<string, unknown>} info
 * @param {(count: number) => Promise<{ items: number, seconds: number }>} work
 */
export async function serve(info, work) {
  writeLine(info)
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      writeLine(await work(JSON.parse(line).count))
    } catch (error) {
      writeLine({ error: String(error) })
    }
  }
}
