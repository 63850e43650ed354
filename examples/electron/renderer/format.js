const PERCENT = new Intl.NumberFormat('en', { style: 'percent', maximumFractionDigits: 1 })
const NUMBER = new Intl.NumberFormat('en')

/** @param {number} value a fraction */
export const percent = (value) => PERCENT.format(value)

/**
 * @param {number} count
 * @param {string} noun
 */
export const plural = (count, noun) => `${NUMBER.format(count)} ${noun}${count === 1 ? '' : 's'}`

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 60) return 'less than a minute'
  const minutes = Math.round(seconds / 60)
  if (minutes < 60) return plural(minutes, 'minute')
  return `${plural(Math.floor(minutes / 60), 'hour')} ${plural(minutes % 60, 'minute')}`
}
