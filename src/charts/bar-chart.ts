import { type Axis, channel } from './axis.js'
import { labelled } from './label-axis.js'
import { draw } from './render.js'
import { INK } from './theme.js'

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
  /** The labels stand one below the other, and the bars lie: for many, or long ones. */
  lying?: boolean | undefined
  /** In pixels. Default: enough for bars and labels; 280 for lying ones. */
  width?: number | undefined
  /** Default: 280; enough for bars that lie. */
  height?: number | undefined
}

/** Room for a bar or a dot, and for a letter of a label, in pixels. */
const BAR = 34
const LETTER = 8
const LYING_BAR = 11

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
  { title, x, y, bars, lying = false, width, height }: BarChart,
  { mark, zero }: { mark: Record<string, unknown>; zero: boolean },
): Promise<string> {
  const labels = [...new Set(bars.map((bar) => bar.label))]
  const groups = [...new Set(bars.map((bar) => bar.group ?? ''))]
  const rows = bars
    .filter((bar) => Number.isFinite(bar.value))
    .map(({ label, value, deviation = 0, group = '' }) => {
      const index = labels.indexOf(label)
      return { index, value, low: value - deviation, high: value + deviation, group }
    })
  const measured = channel(
    y,
    rows.flatMap((row) => [row.low, row.high]),
  )
  const scale = { ...(measured.scale as object), ...(zero && { zero: true }) }
  const measuring = { ...measured, scale }
  const { domain, labelExpr } = labelled(labels)
  const [along, across] = lying ? ['y', 'x'] : ['x', 'y']
  const encoding = {
    [along]: {
      field: 'index',
      type: 'nominal',
      scale: { domain, ...(lying && { paddingInner: 0.35, paddingOuter: 0.2 }) },
      title: x,
      axis: { labelExpr, labelAngle: 0, labelOverlap: false, ...(lying && { labelLimit: 130 }) },
    },
    ...(groups.length > 1 && { [`${along}Offset`]: { field: 'group', sort: groups } }),
  }
  const color = {
    field: 'group',
    type: 'nominal',
    title: null,
    scale: { domain: groups },
    legend: groups.length > 1 ? (lying ? { orient: 'bottom' } : {}) : null,
  }
  const letters = Math.max(0, ...labels.map((label) => label.length))
  const room = Math.max(BAR * groups.length, LETTER * (letters + 2))
  const standing = { width: Math.max(200, room * labels.length), height: 280 }
  const laid = { width: 280, height: (LYING_BAR * groups.length + 7) * Math.max(1, labels.length) }
  const size = lying ? laid : standing
  const whiskers = {
    mark: { type: 'rule', strokeWidth: 1.25, color: INK },
    encoding: {
      ...encoding,
      [across]: { field: 'low', ...measuring },
      [`${across}2`]: { field: 'high' },
    },
  }
  const values = {
    mark,
    encoding: { ...encoding, [across]: { field: 'value', ...measuring }, color },
  }
  return draw({
    title: title ?? '',
    data: { values: rows },
    width: width ?? size.width,
    height: height ?? size.height,
    layer: rows.some((row) => row.high > row.low) ? [values, whiskers] : [values],
  })
}
