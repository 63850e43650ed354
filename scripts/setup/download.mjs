import { open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { SetupError } from './error.mjs'

/**
 * What is known of a download that has begun: going on with another file would mix two.
 * @typedef {{ url: string, etag: string | null, bytes: number }} Begun
 */

/**
 * Downloads a file, going on where an earlier try stopped. `target` appears only when all of it is
 * there; until then the bytes lie in `target.part`.
 *
 * @param {string} url
 * @param {string} target
 * @param {{ onStart?: (bytes: number) => void, onBytes?: (soFar: number) => void, tries?: number,
 *   retryAfter?: number }} [options] `onStart` is told the whole size; times in ms
 */
export async function download(url, target, options = {}) {
  const { tries = 5, retryAfter = 1000 } = options
  for (let attempt = 1; ; attempt += 1) {
    try {
      await attemptDownload(url, target, options)
      return
    } catch (error) {
      if (error instanceof SetupError || isFileError(error)) throw error
      if (attempt === tries) throw failure(url, reason(error), error)
      await sleep(retryAfter * attempt)
    }
  }
}

/**
 * @param {string} url
 * @param {string} target
 * @param {{ onStart?: (bytes: number) => void, onBytes?: (soFar: number) => void }} options
 */
async function attemptDownload(url, target, { onStart, onBytes }) {
  const part = `${target}.part`
  const note = `${part}.json`
  const { from, etag } = await resumePoint(url, part, note)
  /** @type {Record<string, string>} */
  const headers = { 'accept-encoding': 'identity' }
  if (from > 0 && etag !== null)
    Object.assign(headers, { range: `bytes=${from}-`, 'if-range': etag })
  const response = await fetch(url, { headers })
  if (response.status >= 400 && response.status < 500 && response.status !== 416) {
    throw failure(url, `the server answered ${response.status}`)
  }
  if (!response.ok || response.body === null) {
    if (response.status === 416) await rm(part, { force: true })
    throw new Error(`the server answered ${response.status}`)
  }
  const resumed = response.status === 206
  const start = resumed ? from : 0
  const length = response.headers.get('content-length')
  if (length === null) throw failure(url, 'the server does not say how long the file is')
  const total = start + Number(length)
  /** @type {Begun} */
  const begun = { url, etag: response.headers.get('etag'), bytes: total }
  await writeFile(note, JSON.stringify(begun))
  onStart?.(total)

  const file = await open(part, resumed ? 'a' : 'w')
  let soFar = start
  try {
    for await (const piece of response.body) {
      await file.write(piece)
      soFar += piece.length
      onBytes?.(soFar)
    }
    await file.sync()
  } finally {
    await file.close()
  }
  if (soFar !== total) throw new Error(`${soFar} bytes came instead of ${total}`)
  await rename(part, target)
  await rm(note, { force: true })
}

/**
 * @param {string} url
 * @param {string} part
 * @param {string} note
 * @returns {Promise<{ from: number, etag: string | null }>}
 */
async function resumePoint(url, part, note) {
  try {
    /** @type {Begun} */
    const begun = JSON.parse(await readFile(note, 'utf8'))
    const { size } = await stat(part)
    if (begun.url === url && size < begun.bytes) return { from: size, etag: begun.etag }
  } catch {
    // Nothing usable from an earlier try.
  }
  return { from: 0, etag: null }
}

/**
 * A full or read-only disk, which trying again does not mend.
 * @param {unknown} error
 */
function isFileError(error) {
  const { syscall } = /** @type {NodeJS.ErrnoException} */ (error)
  return syscall === 'open' || syscall === 'write' || syscall === 'fsync' || syscall === 'rename'
}

/**
 * What `fetch failed` is about stands in its cause.
 * @param {unknown} error
 */
function reason(error) {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return cause instanceof Error ? cause.message : String(cause)
}

/**
 * @param {string} url
 * @param {string} why
 * @param {unknown} [cause]
 */
function failure(url, why, cause) {
  return new SetupError('E_DOWNLOAD', `${url}: ${why}`, {
    hint: 'check the network and run the same command again: it goes on where it stopped',
    cause,
  })
}
