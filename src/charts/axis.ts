/** What is measured along one side of a figure. */
export interface Axis {
  /** With its unit: `top-1 error (%)`. */
  title: string
  /** Default: linear. What is not above zero is left out of a logarithmic one. */
  scale?: 'linear' | 'log' | undefined
  /** Lowest and highest value shown. Default: what there is. */
  domain?: readonly [number, number] | undefined
  /** There is nothing between whole numbers: no ticks stand there. */
  whole?: boolean | undefined
  /** d3-format's: `.0%`, `~s`. Default: Vega's choice. */
  format?: string | undefined
}

/**
 * An axis as an encoding channel's properties.
 *
 * @param shown the values that are to find a place on it
 */
export function channel(axis: Axis, shown: readonly number[]): Record<string, unknown> {
  const logarithmic = axis.scale === 'log'
  // Vega has no opinion on where nothing lies.
  const domain = axis.domain ?? (shown.length === 0 ? [logarithmic ? 0.1 : 0, 1] : undefined)
  const powers = logarithmic ? powersOfTen(domain ?? shown) : []
  return {
    type: 'quantitative',
    title: axis.title,
    scale: {
      type: axis.scale ?? 'linear',
      ...(!logarithmic && { zero: false }),
      // A rounded domain would leave a quarter of a logarithmic figure empty.
      nice: domain === undefined && !logarithmic,
      ...(domain !== undefined && { domain }),
    },
    axis: {
      // Over several powers of ten the ticks between them are a smear.
      ...(powers.length > 1 && { values: powers, format: '~e' }),
      ...(axis.whole && { tickMinStep: 1, format: ',d' }),
      ...(axis.format !== undefined && { format: axis.format }),
    },
  }
}

function powersOfTen(values: readonly number[]): number[] {
  const exponents = values.filter((value) => value > 0).map(Math.log10)
  const first = Math.ceil(exponents.reduce((a, b) => Math.min(a, b), Infinity))
  const last = Math.floor(exponents.reduce((a, b) => Math.max(a, b), -Infinity))
  // `1e-5` is exactly what is meant, 10 ** -5 is not.
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => Number(`1e${first + i}`))
}

/** Whether a value has a place on an axis. */
export function hasPlace(axis: Axis, value: number): boolean {
  return Number.isFinite(value) && (axis.scale !== 'log' || value > 0)
}
