const MEGABYTE = 1e6

/**
 * Displays the progress of a transfer: one updated line on a terminal, else a line per 10 %.
 *
 * @param {string} label
 * @param {number} total size in bytes
 * @param {NodeJS.WriteStream} [stream]
 */
export function byteProgress(label, total, stream = process.stderr) {
  let shownTenth = 0
  /** @param {number} bytes */
  const line = (bytes) =>
    `${label}: ${Math.round(bytes / MEGABYTE)} of ${Math.round(total / MEGABYTE)} MB`
  return {
    /** @param {number} bytes received so far */
    update(bytes) {
      const tenth = Math.floor((10 * Math.min(bytes, total)) / total)
      if (stream.isTTY) {
        stream.write(`\r\x1b[K${line(Math.min(bytes, total))}`)
      } else if (tenth > shownTenth) {
        stream.write(`${line(Math.min(bytes, total))}\n`)
      }
      shownTenth = Math.max(shownTenth, tenth)
    },
    /** Ends the line, so that further output starts on a new one. */
    end() {
      if (stream.isTTY) stream.write('\n')
    },
  }
}
