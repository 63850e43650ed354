import { type Axis, channel } from './axis.js'
import { draw } from './draw.js'
import { INK } from './style.js'

/** A bar, or a dot; a whisker of one `deviation` to each side is drawn on it. */
export interface Bar {
  /** What it is of, along the axis. */
  label: string
  value: number
  deviation?: number | undefined
  /** Bars of a label stand beside each other, one for each group, in the group's colour. */
  group?: string | undefined
}

/** Values of things that have a name and no order of their own. */
export interface BarChart {
  title?: string | undefined
  /** What the labels name. */
  x: string
  y: Axis
  bars: readonly Bar[]
  /** In pixels. Default: enough for bars and labels. */
  width?: number | undefined
  /** Default: 280. */
  height?: number | undefined
}

/** Room for a bar or a dot, and for a letter of a label, in pixels. */
const BAR = 34
const LETTER = 8

/** A bar chart as SVG. Bars begin at zero, whatever the axis says of its lowest value. */
export function barChart(chart: BarChart): Promise<string> {
  return categories(chart, { mark: { type: 'bar' }, zero: true })
}

/** The same with dots, which need not begin at zero. */
export function dotChart(chart: BarChart): Promise<string> {
  return categories(chart, {
    mark: { type: 'point', filled: true, opacity: 1, size: 70 },
    zero: false,
  })
}

function categories(
  { title, x, y, bars, width, height = 280 }: BarChart,
  { mark, zero }: { mark: Record<string, unknown>; zero: boolean },
): Promise<string> {
  const labels = [...new Set(bars.map((bar) => bar.label))]
  const groups = [...new Set(bars.map((bar) => bar.group ?? ''))]
  const rows = bars
    .filter((bar) => Number.isFinite(bar.value))
    .map(({ label, value, deviation = 0, group = '' }) => {
      return { label, value, low: value - deviation, high: value + deviation, group }
    })
  const measured = channel(
    y,
    rows.flatMap((row) => [row.low, row.high]),
  )
  const scale = { ...(measured.scale as object), ...(zero && { zero: true }) }
  const vertical = { ...measured, scale }
  const encoding = {
    x: {
      field: 'label',
      type: 'nominal',
      sort: labels,
      title: x,
      axis: { labelAngle: 0, labelOverlap: false },
    },
    ...(groups.length > 1 && { xOffset: { field: 'group', sort: groups } }),
  }
  const color = {
    field: 'group',
    type: 'nominal',
    title: null,
    scale: { domain: groups },
    legend: groups.length > 1 ? {} : null,
  }
  const letters = Math.max(0, ...labels.map((label) => label.length))
  const room = Math.max(BAR * groups.length, LETTER * (letters + 2))
  const whiskers = {
    mark: { type: 'rule', strokeWidth: 1.25, color: INK },
    encoding: { ...encoding, y: { field: 'low', ...vertical }, y2: { field: 'high' } },
  }
  const values = { mark, encoding: { ...encoding, y: { field: 'value', ...vertical }, color } }
  return draw({
    title: title ?? '',
    data: { values: rows },
    width: width ?? Math.max(200, room * labels.length),
    height,
    layer: rows.some((row) => row.high > row.low) ? [values, whiskers] : [values],
  })
}
