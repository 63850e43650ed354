const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

/** @param {number} value */
export function count(value) {
  return whole.format(value)
}

/**
 * A share from 0 to 1 as `87.3 %`.
 *
 * @param {number} share
 */
export function percent(share) {
  return `${(100 * share).toFixed(1)} %`
}

/**
 * Four significant digits of whatever size.
 *
 * @param {number} value
 */
export function digits(value) {
  if (value === 0) return '0'
  const size = Math.abs(value)
  return size >= 1e-3 && size < 1e4 ? String(Number(value.toPrecision(4))) : value.toExponential(2)
}

/**
 * Seconds as `0:07`, `12:03` or `1:02:03`.
 *
 * @param {number} seconds
 */
export function duration(seconds) {
  const total = Math.round(seconds)
  const two = (/** @type {number} */ value) => String(value).padStart(2, '0')
  const [hours, minutes] = [Math.floor(total / 3600), Math.floor(total / 60) % 60]
  return hours > 0 ? `${hours}:${two(minutes)}:${two(total % 60)}` : `${minutes}:${two(total % 60)}`
}

/**
 * Milliseconds since 1970 as a date and a time of day.
 *
 * @param {number} time
 */
export function moment(time) {
  return new Date(time).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' })
}
