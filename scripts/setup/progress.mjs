const MEGABYTE = 1e6

/**
 * Shows how far a long transfer is: one line redrawn on a terminal, a line every tenth elsewhere.
 *
 * @param {string} label
 * @param {number} total bytes expected
 * @param {NodeJS.WriteStream} [stream]
 */
export function byteProgress(label, total, stream = process.stderr) {
  let shownTenth = 0
  /** @param {number} bytes */
  const line = (bytes) =>
    `${label}: ${Math.round(bytes / MEGABYTE)} of ${Math.round(total / MEGABYTE)} MB`
  return {
    /** @param {number} bytes so far */
    update(bytes) {
      const tenth = Math.floor((10 * Math.min(bytes, total)) / total)
      if (stream.isTTY) {
        stream.write(`\r\x1b[K${line(Math.min(bytes, total))}`)
      } else if (tenth > shownTenth) {
        stream.write(`${line(Math.min(bytes, total))}\n`)
      }
      shownTenth = Math.max(shownTenth, tenth)
    },
    /** Leaves the line so that what is printed next starts on its own. */
    end() {
      if (stream.isTTY) stream.write('\n')
    },
  }
}
