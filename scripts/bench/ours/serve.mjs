// Our end of peer.mjs's lines.

import { createInterface } from 'node:readline'

/** What the harness wants: the process's first argument, as JSON. */
export function wanted() {
  return JSON.parse(process.argv[2] ?? '{}')
}

/** @param {unknown} line */
export function say(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

/**
 * Describes itself, and does its work whenever it is asked to, until nobody asks any more.
 *
 * @param {Record<string, unknown>} about
 * @param {(count: number) => Promise<{ items: number, seconds: number }>} work
 */
export async function serve(about, work) {
  say(about)
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      say(await work(JSON.parse(line).count))
    } catch (error) {
      say({ error: String(error) })
    }
  }
}
