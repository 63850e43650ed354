const integers = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

/**
 * Formats a whole number: `12,000`.
 *
 * @param {number} value
 */
export function formatCount(value) {
  return integers.format(value)
}

/**
 * Formats a fraction from 0 to 1: `87.3 %`, with a non-breaking space.
 *
 * @param {number} fraction
 */
export function formatPercent(fraction) {
  return `${(100 * fraction).toFixed(1)}\u00a0%`
}

/**
 * Formats a number with four significant digits.
 *
 * @param {number} value
 */
export function formatDecimal(value) {
  if (value === 0) return '0'
  const size = Math.abs(value)
  return size >= 1e-3 && size < 1e4 ? String(Number(value.toPrecision(4))) : value.toExponential(2)
}

/**
 * Formats seconds as `0:07`, `12:03` or `1:02:03`.
 *
 * @param {number} seconds
 */
export function formatDuration(seconds) {
  const total = Math.round(seconds)
  const pad = (/** @type {number} */ value) => String(value).padStart(2, '0')
  const [hours, minutes] = [Math.floor(total / 3600), Math.floor(total / 60) % 60]
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(total % 60)}` : `${minutes}:${pad(total % 60)}`
}

/**
 * Formats milliseconds since 1970 as a local date and time.
 *
 * @param {number} time
 */
export function formatDateTime(time) {
  return new Date(time).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' })
}
