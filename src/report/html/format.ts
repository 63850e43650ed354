/** (Kept by V8 once it is made, and not made at import.) */
function whole(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 0 })
}

/** Between a number and its unit; no line ends there. */
const SPACE = '\u00a0'

/** What stands for a number that is not known. */
const UNKNOWN = '–'

/** `12,000` */
export function count(value: number | undefined): string {
  return value !== undefined && Number.isFinite(value) ? whole(value) : UNKNOWN
}

/** A share from 0 to 1 as `87.3 %`. */
export function percent(share: number | undefined): string {
  return share !== undefined && Number.isFinite(share)
    ? `${(100 * share).toFixed(1)}${SPACE}%`
    : UNKNOWN
}

/** Four significant places: `0.4123`, `1.2e-5`. */
export function decimal(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return UNKNOWN
  const size = Math.abs(value)
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(2)
  return String(Number(value.toPrecision(4)))
}

/** Seconds in words: `48 seconds`, `12 min 3 s`, `1 h 2 min`. */
export function duration(seconds: number | undefined): string {
  if (seconds === undefined || !Number.isFinite(seconds)) return UNKNOWN
  const words = (...parts: (string | number)[]) => parts.join(SPACE)
  if (seconds < 10) return words(decimal(Number(seconds.toFixed(1))), 's')
  if (seconds < 60) return words(count(seconds), 's')
  const total = Math.round(seconds)
  const [hours, minutes] = [Math.floor(total / 3600), Math.floor(total / 60) % 60]
  return hours > 0 ? words(hours, 'h', minutes, 'min') : words(minutes, 'min', total % 60, 's')
}

/** Where a share lies, with 95 % certainty, that was `right` of `count` (Wilson 1927). */
export function interval(share: number, count: number): [low: number, high: number] {
  const z = 1.96
  const middle = share + (z * z) / (2 * count)
  const reach = z * Math.sqrt((share * (1 - share)) / count + (z * z) / (4 * count * count))
  const whole = 1 + (z * z) / count
  return [Math.max(0, (middle - reach) / whole), Math.min(1, (middle + reach) / whole)]
}
