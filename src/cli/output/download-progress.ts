import { createLogUpdate } from 'log-update'
import type { DownloadProgress } from '../../index.js'
import { remark } from '../messages.js'

const { stderr } = process

/** The least time between two states of the live line, in milliseconds. */
const REFRESH = 100

/** Shows downloads on stderr: a line that lives on a terminal, one each tenth elsewhere. */
export class DownloadLine {
  readonly #live = stderr.isTTY ? createLogUpdate(stderr, { showCursor: true }) : undefined
  #file = ''
  #tenth = 0
  #drawn = 0

  readonly show = (progress: DownloadProgress): void => {
    const { name, file, url, bytes, total } = progress
    if (file !== this.#file) {
      this.#file = file
      this.#tenth = 0
      if (name === 'weights' && total !== undefined) {
        stderr.write(`${remark.weights(file, megabytes(total), new URL(url).host)}\n`)
      }
    }
    const done = bytes === total
    if (this.#live !== undefined) {
      if (!done && Date.now() - this.#drawn < REFRESH) return
      this.#drawn = Date.now()
      this.#live(inWords(progress))
      if (done) this.#live.done()
      return
    }
    const tenth = total === undefined ? 0 : Math.floor((10 * bytes) / total)
    if (tenth > this.#tenth) stderr.write(`${inWords(progress)}\n`)
    this.#tenth = Math.max(tenth, this.#tenth)
  }

  /** Leaves the terminal as it was. */
  end(): void {
    this.#live?.clear()
  }
}

function inWords({ name, file, bytes, total, url }: DownloadProgress): string {
  const of = total === undefined ? '' : ` of ${megabytes(total)}`
  return `downloading ${name}: ${file}, ${megabytes(bytes)}${of} MB from ${new URL(url).host}`
}

/** Lets nothing be fetched in this process, as RESIDUAL_OFFLINE does. */
export function stayOffline(): void {
  process.env.RESIDUAL_OFFLINE = '1'
}

/** `170.1` */
export function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1)
}
