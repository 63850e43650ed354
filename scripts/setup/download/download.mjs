import { open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { SetupError } from '../error.mjs'

/**
 * Origin of a partial download, without which parts of different files could be mixed.
 *
 * @typedef {{ url: string, etag: string | null, bytes: number }} PartOrigin
 */

/**
 * Downloads a file, resuming an earlier attempt. The bytes are written to `target.part`, which is
 * renamed when it is complete. (src/download is not used: set-up runs before `tsc`.)
 *
 * @param {string} url
 * @param {string} target
 * @param {{ onStart?: (total: number) => void, onBytes?: (received: number) => void,
 *   attempts?: number, backoff?: number }} [options] `backoff` in ms
 */
export async function download(url, target, options = {}) {
  const { attempts = 5, backoff = 1000 } = options
  for (let attempt = 1; ; attempt += 1) {
    try {
      await attemptDownload(url, target, options)
      return
    } catch (error) {
      if (error instanceof SetupError || isFileError(error)) throw error
      if (attempt === attempts) throw downloadError(url, rootCause(error), error)
      await sleep(backoff * attempt)
    }
  }
}

/**
 * @param {string} url
 * @param {string} target
 * @param {{ onStart?: (total: number) => void, onBytes?: (received: number) => void }} options
 */
async function attemptDownload(url, target, { onStart, onBytes }) {
  const part = `${target}.part`
  const origin = `${part}.json`
  const { offset, etag } = await resumePoint(url, part, origin)
  /** @type {Record<string, string>} */
  const headers = { 'accept-encoding': 'identity' }
  if (offset > 0 && etag !== null)
    Object.assign(headers, { range: `bytes=${offset}-`, 'if-range': etag })
  const response = await fetch(url, { headers })
  if (response.status >= 400 && response.status < 500 && response.status !== 416) {
    throw downloadError(url, `the server answered ${response.status}`)
  }
  if (!response.ok || response.body === null) {
    if (response.status === 416) await rm(part, { force: true })
    throw new Error(`the server answered ${response.status}`)
  }
  const isResumed = response.status === 206
  const start = isResumed ? offset : 0
  const length = response.headers.get('content-length')
  if (length === null) throw downloadError(url, 'the server does not send the size of the file')
  const total = start + Number(length)
  /** @type {PartOrigin} */
  const partOrigin = { url, etag: response.headers.get('etag'), bytes: total }
  await writeFile(origin, JSON.stringify(partOrigin))
  onStart?.(total)

  const file = await open(part, isResumed ? 'a' : 'w')
  let received = start
  try {
    for await (const chunk of response.body) {
      await file.write(chunk)
      received += chunk.length
      onBytes?.(received)
    }
    await file.sync()
  } catch (error) {
    // While a slow disk delays the last writes, the server may close the idle connection, which fetch
    // reports as a broken body although all bytes have arrived.
    if (received !== total || isFileError(error)) throw error
    await file.sync()
  } finally {
    await file.close()
  }
  if (received !== total) throw new Error(`received ${received} of ${total} bytes`)
  await rename(part, target)
  await rm(origin, { force: true })
}

/**
 * Returns the offset at which a partial download of the same file ends.
 *
 * @param {string} url
 * @param {string} part
 * @param {string} origin
 * @returns {Promise<{ offset: number, etag: string | null }>}
 */
async function resumePoint(url, part, origin) {
  try {
    /** @type {PartOrigin} */
    const known = JSON.parse(await readFile(origin, 'utf8'))
    const { size } = await stat(part)
    if (known.url === url && size < known.bytes) return { offset: size, etag: known.etag }
  } catch {
    // There is nothing to resume.
  }
  return { offset: 0, etag: null }
}

/**
 * Returns whether a disk error occurred, which a retry does not fix.
 *
 * @param {unknown} error
 */
function isFileError(error) {
  const { syscall } = /** @type {NodeJS.ErrnoException} */ (error)
  return syscall === 'open' || syscall === 'write' || syscall === 'fsync' || syscall === 'rename'
}

/**
 * Returns the message of the cause: `fetch failed` itself says nothing.
 *
 * @param {unknown} error
 */
function rootCause(error) {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return cause instanceof Error ? cause.message : String(cause)
}

/**
 * @param {string} url
 * @param {string} reason
 * @param {unknown} [cause]
 */
function downloadError(url, reason, cause) {
  return new SetupError('E_DOWNLOAD', `${url}: ${reason}`, {
    hint: 'check the network and run the same command again: the download resumes',
    cause,
  })
}
