import type { DownloadProgress, DownloadRetry, PreviewOptions } from '../../index.js'
import { InterruptHandler } from '../interrupt.js'
import { notice } from '../messages.js'
import { formatMegabytes } from './format.js'
import { LiveLine } from './live-line.js'
import { printError } from './print-error.js'
import { log } from './streams.js'

const { stderr } = process

/**
 * Shows downloads on stderr: one line that is redrawn on a terminal, a new line at every 10 %
 * elsewhere.
 */
export class DownloadProgressLine {
  readonly #live = stderr.isTTY ? new LiveLine() : undefined
  #file = ''
  #tenths = 0

  readonly show = (progress: DownloadProgress): void => {
    const { name, file, url, bytes, total, retry } = progress
    if (file !== this.#file) {
      this.#file = file
      this.#tenths = 0
      if (name === 'weights' && total !== undefined) {
        log(notice.downloadingWeights(file, formatMegabytes(total), new URL(url).host))
      }
    }
    if (retry !== undefined) {
      log(formatRetry(retry))
      return
    }
    if (this.#live !== undefined) {
      this.#live.draw(() => describe(progress), bytes === total)
      return
    }
    const tenths = total === undefined ? 0 : Math.floor((10 * bytes) / total)
    if (tenths > this.#tenths) log(describe(progress))
    this.#tenths = Math.max(tenths, this.#tenths)
  }

  /** Removes the progress line. */
  end(): void {
    this.#live?.clear()
  }
}

/** Describes a failed attempt and the time until the next one. */
export function formatRetry({ url, reason, delay }: DownloadRetry): string {
  const seconds = Math.max(1, Math.round(delay / 1000))
  return `${new URL(url).host}: ${reason}; trying again in ${seconds} s`
}

function describe({ name, file, bytes, total, url }: DownloadProgress): string {
  const size = total === undefined ? '' : ` of ${formatMegabytes(total)}`
  const { host } = new URL(url)
  return `downloading ${name}: ${file}, ${formatMegabytes(bytes)}${size} MB from ${host}`
}

/**
 * Runs a task that may download files, with progress on stderr. SIGINT and SIGTERM cancel the task;
 * the next download of the same file resumes where this one stopped.
 */
export async function withDownloads(
  quiet: boolean,
  task: (options: Pick<PreviewOptions, 'signal' | 'onDownload'>) => Promise<void>,
): Promise<void> {
  const progress = new DownloadProgressLine()
  const controller = new AbortController()
  using interrupt = new InterruptHandler((signal) => controller.abort(new Error(signal)))
  try {
    await task({ signal: controller.signal, ...(!quiet && { onDownload: progress.show }) })
  } catch (error) {
    if (interrupt.exitStatus === undefined) throw error
    printError(error)
  } finally {
    progress.end()
  }
  if (interrupt.exitStatus !== undefined) process.exitCode = interrupt.exitStatus
}

/** Disables all downloads in this process, as the RESIDUAL_OFFLINE variable does. */
export function setOffline(): void {
  process.env.RESIDUAL_OFFLINE = '1'
}
