import { createLogUpdate } from 'log-update'
import { terminalWidth } from './terminal.js'

const { stderr } = process

/** Minimum time between two redraws of a line, in milliseconds. */
const REDRAW_INTERVAL = 100

/** stderr for log-update, which would draw nothing on a terminal that reports the size 0 x 0. */
const terminal = {
  isTTY: true,
  get columns() {
    return terminalWidth(stderr)
  },
  get rows() {
    return stderr.rows || undefined
  },
  write: (text: string) => stderr.write(text),
} as unknown as NodeJS.WriteStream

/** The line that is shown. Its next redraw or removal would overwrite any output below it. */
let shown: LiveLine | undefined

/** Removes the line that is shown, before other output. */
export function clearLiveLine(): void {
  shown?.clear()
}

/** A line at the end of the output on a terminal that is redrawn in place. */
export class LiveLine {
  readonly #update = createLogUpdate(terminal, { showCursor: true })
  #drawnAt = 0

  /** Redraws the line, at most ten times per second unless `isLast` is true. */
  draw(text: () => string, isLast = false): void {
    if (!isLast && Date.now() - this.#drawnAt < REDRAW_INTERVAL) return
    this.#drawnAt = Date.now()
    if (shown !== this) clearLiveLine()
    this.#update(text())
    shown = this
    if (isLast) this.#keep()
  }

  clear(): void {
    if (shown !== this) return
    this.#update.clear()
    shown = undefined
  }

  /** Leaves the line in the output. */
  #keep(): void {
    this.#update.done()
    shown = undefined
  }
}
