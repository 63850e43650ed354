const integers = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

/** Formats a whole number: `12,000`. */
export function formatCount(value: number): string {
  return integers.format(value)
}

/** Formats a number with its noun: `1 epoch`, `12,000 epochs`. */
export function pluralize(value: number, singular: string): string {
  return `${formatCount(value)} ${singular}${value === 1 ? '' : 's'}`
}

/** Formats a fraction from 0 to 1: `87.3 %`. */
export function formatPercent(fraction: number): string {
  return `${(100 * fraction).toFixed(1)} %`
}

/** Formats a loss with four decimals: `0.4123`; from 1,000 on as `1.2e+5`. */
export function formatLoss(value: number): string {
  return value < 1000 ? value.toFixed(4) : value.toExponential(1)
}

/** Formats seconds as `0:07`, `12:03` or `1:02:03`. */
export function formatDuration(seconds: number): string {
  const total = Math.round(seconds)
  const pad = (value: number) => String(value).padStart(2, '0')
  const [hours, minutes] = [Math.floor(total / 3600), Math.floor(total / 60) % 60]
  const rest = pad(total % 60)
  return hours > 0 ? `${hours}:${pad(minutes)}:${rest}` : `${minutes}:${rest}`
}

/** Formats a short time in seconds: `0.42 s`, `18 ms`. */
export function formatSeconds(value: number): string {
  return value < 0.1 ? `${(1000 * value).toPrecision(2)} ms` : `${value.toPrecision(2)} s`
}

/** Formats bytes with decimal prefixes: `46.8 MB`. */
export function formatBytes(value: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB']
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, value)) / 3))
  return `${(value / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`
}

/** Formats bytes in megabytes without the unit: `170.1`. */
export function formatMegabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1)
}

/** Formats a large number with a decimal prefix: `1.81 G`. */
export function formatScaled(value: number): string {
  const units = ['', ' k', ' M', ' G', ' T']
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, value)) / 3))
  return power === 0 ? String(value) : `${(value / 1000 ** power).toPrecision(3)}${units[power]}`
}
