/** An axis of a chart. */
export interface Axis {
  /** Title with the unit: `top-1 error (%)`. */
  title: string
  /** Default: linear. A logarithmic axis drops values that are not positive. */
  scale?: 'linear' | 'log' | undefined
  /** Lowest and highest value shown. Default: the range of the data. */
  domain?: readonly [number, number] | undefined
  /** Restricts ticks to integers. */
  isInteger?: boolean | undefined
  /** A d3-format specifier: `.0%`, `~s`. Default: Vega's choice. */
  format?: string | undefined
}

/**
 * Converts an axis to the properties of a Vega-Lite encoding channel.
 *
 * @param values the data on the axis
 */
export function axisChannel(axis: Axis, values: readonly number[]): Record<string, unknown> {
  const isLog = axis.scale === 'log'
  // Vega has no default domain for an empty chart.
  const empty = values.length === 0 ? [isLog ? 0.1 : 0, 1] : undefined
  const domain = axis.domain ?? empty ?? (axis.isInteger ? integerDomain(values) : undefined)
  const powers = isLog ? powersOfTen(domain ?? values) : []
  return {
    type: 'quantitative',
    title: axis.title,
    scale: {
      type: axis.scale ?? 'linear',
      ...(!isLog && { zero: false }),
      // Rounding the domain would leave a large part of a logarithmic chart empty.
      nice: domain === undefined && !isLog,
      ...(domain !== undefined && { domain }),
    },
    axis: {
      // On an axis of several powers of ten, the labels of ticks between them would overlap.
      ...(powers.length > 1 && { values: powers, format: '~e' }),
      ...(axis.isInteger && { tickMinStep: 1, format: ',d' }),
      ...(axis.format !== undefined && { format: axis.format }),
    },
  }
}

/**
 * Returns the smallest domain between integers that contains the values, so that an axis shorter than
 * one unit has two ticks; undefined for a single integer.
 */
function integerDomain(values: readonly number[]): [number, number] | undefined {
  const low = Math.floor(values.reduce((a, b) => Math.min(a, b), Infinity))
  const high = Math.ceil(values.reduce((a, b) => Math.max(a, b), -Infinity))
  return low < high ? [low, high] : undefined
}

/** Returns the powers of ten within the range of the values. */
function powersOfTen(values: readonly number[]): number[] {
  const exponents = values.filter((value) => value > 0).map(Math.log10)
  const first = Math.ceil(exponents.reduce((a, b) => Math.min(a, b), Infinity))
  const last = Math.floor(exponents.reduce((a, b) => Math.max(a, b), -Infinity))
  // `1e-5` parses to the nearest number; 10 ** -5 may be off by one bit.
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => Number(`1e${first + i}`))
}

/** Whether a value can be drawn on an axis: finite, and positive on a logarithmic axis. */
export function isInDomain(axis: Axis, value: number): boolean {
  return Number.isFinite(value) && (axis.scale !== 'log' || value > 0)
}
