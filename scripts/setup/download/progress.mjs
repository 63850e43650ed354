const MEGABYTE = 1e6

/** Minimum time between two redraws of the line on a terminal, in milliseconds. */
const REDRAW_INTERVAL = 100

/**
 * Displays the progress of a transfer: one updated line on a terminal, else a line per 10 %.
 *
 * @param {string} label
 * @param {number} total size in bytes
 * @param {NodeJS.WriteStream} [stream]
 */
export function byteProgress(label, total, stream = process.stderr) {
  let shownTenth = 0
  let drawnAt = Number.NEGATIVE_INFINITY
  /** The line that was not drawn because the last one is too recent. */
  let pending = ''
  /** @param {string} line */
  const draw = (line) => {
    drawnAt = performance.now()
    pending = ''
    stream.write(`\r\x1b[K${line}`)
  }
  return {
    /** @param {number} bytes received so far */
    update(bytes) {
      const done = Math.min(bytes, total)
      const line = `${label}: ${Math.round(done / MEGABYTE)} of ${Math.round(total / MEGABYTE)} MB`
      const tenth = Math.floor((10 * done) / total)
      if (stream.isTTY) {
        pending = line
        if (performance.now() - drawnAt >= REDRAW_INTERVAL) draw(line)
      } else if (tenth > shownTenth) {
        stream.write(`${line}\n`)
      }
      shownTenth = Math.max(shownTenth, tenth)
    },
    /** Ends the line, so that further output starts on a new one. */
    end() {
      if (!stream.isTTY) return
      if (pending !== '') draw(pending)
      stream.write('\n')
    },
  }
}
