/** Number formatting for reports, with non-breaking spaces, unlike that of the command line. */

const NO_BREAK_SPACE = '\u00a0'

/** Placeholder for an unknown number. */
const UNKNOWN = '–'

/** Formats a whole number: `12,000`. */
export function formatCount(value: number | undefined): string {
  // An Intl.NumberFormat at the top of the module would be created when the package is imported.
  return value !== undefined && Number.isFinite(value)
    ? value.toLocaleString('en-US', { maximumFractionDigits: 0 })
    : UNKNOWN
}

/** Formats a fraction from 0 to 1: `87.3 %`. */
export function formatPercent(fraction: number | undefined): string {
  return fraction !== undefined && Number.isFinite(fraction)
    ? `${(100 * fraction).toFixed(1)}${NO_BREAK_SPACE}%`
    : UNKNOWN
}

/** Formats a number with four significant digits: `0.4123`, `1.2e-5`. */
export function formatDecimal(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return UNKNOWN
  const size = Math.abs(value)
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(2)
  return String(Number(value.toPrecision(4)))
}

/** Formats seconds: `4.8 s`, `48 s`, `12 min 3 s`, `1 h 2 min`. */
export function formatDuration(seconds: number | undefined): string {
  if (seconds === undefined || !Number.isFinite(seconds)) return UNKNOWN
  const join = (...parts: (string | number)[]) => parts.join(NO_BREAK_SPACE)
  if (seconds < 10) return join(formatDecimal(Number(seconds.toFixed(1))), 's')
  if (seconds < 60) return join(formatCount(seconds), 's')
  const total = Math.round(seconds)
  const [hours, minutes] = [Math.floor(total / 3600), Math.floor(total / 60) % 60]
  return hours > 0 ? join(hours, 'h', minutes, 'min') : join(minutes, 'min', total % 60, 's')
}

/**
 * Returns the 95 % confidence interval of a proportion (Wilson 1927).
 *
 * @param proportion 0 to 1
 * @param count size of the sample
 */
export function wilsonInterval(proportion: number, count: number): [low: number, high: number] {
  const z = 1.96
  const center = proportion + (z * z) / (2 * count)
  const variance = (proportion * (1 - proportion)) / count + (z * z) / (4 * count * count)
  const margin = z * Math.sqrt(variance)
  const scale = 1 + (z * z) / count
  return [Math.max(0, (center - margin) / scale), Math.min(1, (center + margin) / scale)]
}
