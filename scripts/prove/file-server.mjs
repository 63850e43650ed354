// A slow HTTP server of one file with range support, on 127.0.0.1.

import { setTimeout as sleep } from 'node:timers/promises'
import { serve } from './hostile/http-server.mjs'

const CHUNK_BYTES = 1 << 14
const PAUSE_MS = 4
const ETAG = '"one"'

/**
 * @typedef {object} FileServer
 * @property {string} url URL of the folder that contains the file
 * @property {() => number} sentBytes returns the number of bytes sent so far
 * @property {() => void} close
 */

/**
 * Starts a server that sends `content` for every path, in small chunks.
 *
 * @param {Buffer} content
 * @returns {Promise<FileServer>}
 */
export async function serveFile(content) {
  let sent = 0
  const { url, close } = await serve(async ({ headers }, response) => {
    const isCurrent = headers['if-range'] === undefined || headers['if-range'] === ETAG
    const range = /^bytes=(\d+)-$/.exec(isCurrent ? (headers.range ?? '') : '')
    const from = Number(range?.[1] ?? 0)
    response.writeHead(from === 0 ? 200 : 206, {
      etag: ETAG,
      'content-length': content.length - from,
      ...(from > 0 && { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` }),
    })
    for (let at = from; at < content.length && !response.destroyed; at += CHUNK_BYTES) {
      const chunk = content.subarray(at, at + CHUNK_BYTES)
      response.write(chunk)
      sent += chunk.length
      await sleep(PAUSE_MS)
    }
    response.end()
  })
  return { url, sentBytes: () => sent, close }
}
