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

/** Formats a 95 % confidence interval: `85.8 to 88.7 %`. */
export function formatInterval([low, high]: readonly [low: number, high: number]): string {
  return `${(100 * low).toFixed(1)} to ${formatPercent(high)}`
}

/** Formats a p-value: `p = 0.034`, `p < 0.001`. */
export function formatPValue(p: number): string {
  if (p < 0.001) return 'p < 0.001'
  return `p = ${p < 0.1 ? Number(p.toPrecision(2)) : p.toFixed(2)}`
}
