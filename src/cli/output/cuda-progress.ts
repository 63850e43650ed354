import type { CudaSetupProgress } from '../../index.js'
import { formatRetry } from './download-progress.js'
import { formatDuration, formatMegabytes } from './format.js'
import { LiveLine } from './live-line.js'
import { log } from './streams.js'

const { stderr } = process

/** Time over which the rate is averaged, in ms. */
const RATE_WINDOW = 10_000

const VERBS = { download: 'downloading', unpack: 'unpacking', verify: 'verifying' } as const

/**
 * Shows the installation of the CUDA libraries on stderr, with rate and remaining time: one line
 * that is redrawn on a terminal, a new line at every 10 % elsewhere.
 */
export class CudaProgressLine {
  readonly #live = stderr.isTTY ? new LiveLine() : undefined
  #phase: CudaSetupProgress['phase'] | undefined
  #tenths = 0
  /** Recent pairs of time in ms and bytes. */
  #samples: [number, number][] = []

  readonly show = (progress: CudaSetupProgress): void => {
    const { phase, file, bytes, total, retry } = progress
    if (phase !== this.#phase) {
      this.end()
      this.#phase = phase
      this.#tenths = 0
      this.#samples = []
      if (phase === 'wait') log('waiting for another process that sets up CUDA ...')
      if (phase === 'load') log('loading the libraries once ...')
    }
    if (retry !== undefined) log(formatRetry(retry))
    if (phase === 'wait' || phase === 'load' || retry !== undefined) return
    const now = performance.now()
    this.#samples = this.#samples.filter(([time]) => now - time < RATE_WINDOW)
    this.#samples.push([now, bytes])
    const describe = () =>
      `${VERBS[phase]} ${file}: ${formatMegabytes(bytes)} of ${formatMegabytes(total)} MB${this.#rate(total)}`
    if (this.#live !== undefined) {
      this.#live.draw(describe)
      return
    }
    const tenths = total === 0 ? 0 : Math.floor((10 * bytes) / total)
    if (tenths > this.#tenths) log(describe())
    this.#tenths = Math.max(tenths, this.#tenths)
  }

  /** Removes the line. */
  end(): void {
    this.#live?.clear()
  }

  /** Formats rate and remaining time, which are known after a second. */
  #rate(total: number): string {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)]
    if (first === undefined || last === undefined || last[0] - first[0] < 1000) return ''
    const perSecond = (1000 * (last[1] - first[1])) / (last[0] - first[0])
    if (perSecond <= 0) return ''
    const left = formatDuration((total - last[1]) / perSecond)
    return `, ${formatMegabytes(perSecond)} MB/s, ${left} left`
  }
}
