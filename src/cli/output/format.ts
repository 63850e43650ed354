const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

/** `12,000` */
export function count(value: number): string {
  return whole.format(value)
}

/** `1 epoch`, `12,000 epochs` */
export function many(value: number, one: string): string {
  return `${count(value)} ${one}${value === 1 ? '' : 's'}`
}

/** A share from 0 to 1 as `87.3 %`. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}

/** Four significant places of a loss: `0.4123`, or `1.2e+5` far from 1. */
export function loss(value: number): string {
  return value < 1000 ? value.toFixed(4) : value.toExponential(1)
}

/** Seconds as `0:07`, `12:03` or `1:02:03`. */
export function duration(seconds: number): string {
  const total = Math.round(seconds)
  const two = (value: number) => String(value).padStart(2, '0')
  const [hours, minutes] = [Math.floor(total / 3600), Math.floor(total / 60) % 60]
  const rest = `${two(total % 60)}`
  return hours > 0 ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`
}

/** A short time: `0.42 s`, `18 ms`. */
export function seconds(value: number): string {
  return value < 0.1 ? `${(1000 * value).toPrecision(2)} ms` : `${value.toPrecision(2)} s`
}

/** Bytes as `46.8 MB`, in powers of ten. */
export function bytes(value: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB']
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, value)) / 3))
  return `${(value / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`
}

/** A large number as `1.81 G`, in powers of ten. */
export function scaled(value: number): string {
  const units = ['', ' k', ' M', ' G', ' T']
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, value)) / 3))
  return power === 0 ? String(value) : `${(value / 1000 ** power).toPrecision(3)}${units[power]}`
}
