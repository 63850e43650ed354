import { type Axis, axisChannel } from './axis.js'
import { labelAxis } from './label-axis.js'
import { renderChart } from './render.js'
import { INK } from './theme.js'

/** A bar or a dot, with an optional error bar of one standard deviation. */
export interface Bar {
  /** Category on the axis. */
  label: string
  value: number
  std?: number | undefined
  /** Bars with the same label are drawn side by side, one per group, in the color of the group. */
  group?: string | undefined
}

/** Values by category. */
export interface BarChart {
  title?: string | undefined
  /** Title of the axis of the categories. */
  x: string
  y: Axis
  bars: readonly Bar[]
  /** Draws horizontal bars, which leave room for many or long labels. */
  isHorizontal?: boolean | undefined
  /** In pixels. Default: wide enough for bars and labels; 280 for horizontal bars. */
  width?: number | undefined
  /** In pixels. Default: 280; for horizontal bars, tall enough for all of them. */
  height?: number | undefined
}

/** Space in pixels for a vertical bar, for a letter of its label, and for a horizontal bar. */
const BAR_WIDTH = 34
const LETTER_WIDTH = 8
const HORIZONTAL_BAR_HEIGHT = 11

/** Renders a bar chart as SVG. The axis always includes zero, where the bars start. */
export function barChart(chart: BarChart): Promise<string> {
  return categoryChart(chart, { mark: { type: 'bar' }, startsAtZero: true })
}

/** Renders a dot chart as SVG. Its axis need not start at zero. */
export function dotChart(chart: BarChart): Promise<string> {
  return categoryChart(chart, {
    mark: { type: 'point', filled: true, opacity: 1, size: 70 },
    startsAtZero: false,
  })
}

interface MarkOptions {
  mark: Record<string, unknown>
  startsAtZero: boolean
}

function categoryChart(chart: BarChart, { mark, startsAtZero }: MarkOptions): Promise<string> {
  const { title = '', x, y, bars, isHorizontal = false } = chart
  const labels = [...new Set(bars.map((bar) => bar.label))]
  const groups = [...new Set(bars.map((bar) => bar.group ?? ''))]
  const rows = bars
    .filter((bar) => Number.isFinite(bar.value))
    .map(({ label, value, std = 0, group = '' }) => {
      const index = labels.indexOf(label)
      return { index, value, low: value - std, high: value + std, group }
    })
  const channel = axisChannel(
    y,
    rows.flatMap((row) => [row.low, row.high]),
  )
  const scale = { ...(channel.scale as object), ...(startsAtZero && { zero: true }) }
  const valueChannel = { ...channel, scale }
  const [categoryKey, valueKey] = isHorizontal ? ['y', 'x'] : ['x', 'y']
  const encoding = {
    [categoryKey]: categoryChannel(x, labels, isHorizontal),
    ...(groups.length > 1 && { [`${categoryKey}Offset`]: { field: 'group', sort: groups } }),
  }
  const color = {
    field: 'group',
    type: 'nominal',
    title: null,
    scale: { domain: groups },
    legend: groups.length > 1 ? (isHorizontal ? { orient: 'bottom' } : {}) : null,
  }
  const errorBars = {
    mark: { type: 'rule', strokeWidth: 1.25, color: INK },
    encoding: {
      ...encoding,
      [valueKey]: { field: 'low', ...valueChannel },
      [`${valueKey}2`]: { field: 'high' },
    },
  }
  const values = {
    mark,
    encoding: { ...encoding, [valueKey]: { field: 'value', ...valueChannel }, color },
  }
  const size = defaultSize(labels, groups.length, isHorizontal)
  return renderChart({
    title,
    data: { values: rows },
    width: chart.width ?? size.width,
    height: chart.height ?? size.height,
    layer: rows.some((row) => row.high > row.low) ? [values, errorBars] : [values],
  })
}

function categoryChannel(title: string, labels: readonly string[], isHorizontal: boolean) {
  const { domain, labelExpr } = labelAxis(labels)
  return {
    field: 'index',
    type: 'nominal',
    scale: { domain, ...(isHorizontal && { paddingInner: 0.35, paddingOuter: 0.2 }) },
    title,
    axis: {
      labelExpr,
      labelAngle: 0,
      labelOverlap: false,
      ...(isHorizontal && { labelLimit: 130 }),
    },
  }
}

function defaultSize(labels: readonly string[], groups: number, isHorizontal: boolean) {
  if (isHorizontal) {
    const height = (HORIZONTAL_BAR_HEIGHT * groups + 7) * Math.max(1, labels.length)
    return { width: 280, height }
  }
  const longest = Math.max(0, ...labels.map((label) => label.length))
  const space = Math.max(BAR_WIDTH * groups, LETTER_WIDTH * (longest + 2))
  return { width: Math.max(200, space * labels.length), height: 280 }
}
