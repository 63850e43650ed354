import { type Axis, channel, hasPlace } from './axis.js'
import { draw } from './render.js'
import { INK, PALETTE } from './theme.js'

/** A measured value; a band of one `deviation` to each side is drawn around the line. */
export interface Point {
  x: number
  y: number
  deviation?: number | undefined
}

/**
 * How a line is drawn: `bold` and `dashed` as in the paper, which draws the error on test data bold
 * and that on training data dashed.
 */
export type Stroke = 'solid' | 'bold' | 'dashed'

/** A line. */
export interface Series {
  /** What the legend calls its colour; series of one name share it. */
  name: string
  points: readonly Point[]
  /** Default: solid. */
  stroke?: Stroke | undefined
  /** What the legend calls its stroke: `training error`. */
  kind?: string | undefined
  /** The panel that it belongs to, of several beside each other. */
  panel?: string | undefined
}

/** Lines over a common axis. */
export interface LineChart {
  title?: string | undefined
  x: Axis
  y: Axis
  series: readonly Series[]
  /** Points marked on top, with a word beside each. */
  marks?: readonly { x: number; y: number; label: string }[] | undefined
  /** Of a panel, in pixels. Default: 420. */
  width?: number | undefined
  /** Default: 280. */
  height?: number | undefined
  /** Where the legend stands. Default: `right`. */
  legend?: 'right' | 'bottom' | undefined
}

const DASHES: Record<Stroke, number[]> = { solid: [1, 0], bold: [1, 0], dashed: [5, 3] }
const WIDTHS: Record<Stroke, number> = { solid: 1.75, bold: 2.75, dashed: 1.25 }

/** Two in a row have room below a figure of the usual width. */
const BELOW = { direction: 'horizontal', columns: 2, labelLimit: 150 }

/** A line chart as SVG. */
export async function lineChart(chart: LineChart): Promise<string> {
  const { title, x, y, series, marks = [], width = 420, height = 280 } = chart
  const place = { orient: chart.legend ?? 'right', ...(chart.legend === 'bottom' && BELOW) }
  const kinds = new Map<string, Stroke>()
  const names = new Set<string>()
  const panels = new Set<string>()
  const rows = series.flatMap((line, index) => {
    const { name, points, stroke = 'solid', kind = stroke, panel = '' } = line
    names.add(name)
    panels.add(panel)
    kinds.set(kind, stroke)
    const placed = points.filter((point) => hasPlace(x, point.x) && hasPlace(y, point.y))
    const common = { name, kind, panel, index, alone: placed.length === 1 }
    return placed.map((point) => {
      const spread = point.deviation ?? 0
      const low = hasPlace(y, point.y - spread) ? point.y - spread : point.y
      return { x: point.x, y: point.y, low, high: point.y + spread, ...common }
    })
  })

  const color = {
    field: 'name',
    type: 'nominal',
    title: null,
    scale: { domain: [...names], range: colors(names.size) },
    legend: names.size > 1 ? { symbolType: 'stroke', symbolOpacity: 1, ...place } : null,
  }
  // Dashes and widths say the same, and so become one legend.
  const kindly = (values: Record<Stroke, unknown>) => ({
    field: 'kind',
    type: 'ordinal',
    title: null,
    scale: {
      type: 'ordinal',
      domain: [...kinds.keys()],
      range: [...kinds.values()].map((stroke) => values[stroke]),
    },
    legend: kinds.size > 1 ? { symbolType: 'stroke', symbolStrokeColor: INK, ...place } : null,
  })
  const strokes = { strokeDash: kindly(DASHES), strokeWidth: kindly(WIDTHS) }
  const at = {
    x: {
      field: 'x',
      ...channel(
        x,
        rows.map((row) => row.x),
      ),
    },
    y: {
      field: 'y',
      ...channel(
        y,
        rows.map((row) => row.y),
      ),
    },
  }
  const banded = rows.some((row) => row.high > row.low)
  const layer = [
    ...(banded
      ? [
          {
            mark: { type: 'area', opacity: 0.18, clip: true },
            encoding: {
              x: at.x,
              y: { ...at.y, field: 'low' },
              y2: { field: 'high' },
              color,
              detail: { field: 'index' },
            },
          },
        ]
      : []),
    {
      mark: { type: 'line', clip: true, strokeCap: 'butt', strokeJoin: 'round' },
      encoding: { ...at, color, ...strokes, detail: { field: 'index' } },
    },
    ...(rows.some(({ alone }) => alone)
      ? [
          {
            // A line of one point would not be seen.
            transform: [{ filter: 'datum.alone' }],
            mark: { type: 'point', filled: true, opacity: 1, size: 50, clip: true },
            encoding: { ...at, color },
          },
        ]
      : []),
    ...(marks.length > 0 ? marked(marks, at) : []),
  ]

  const data = { values: rows }
  if (panels.size < 2) return draw({ title: title ?? '', data, width, height, layer })
  return draw({
    title: title ?? '',
    data,
    facet: { column: { field: 'panel', type: 'nominal', sort: [...panels] } },
    spec: { width, height, layer },
  })
}

function marked(
  marks: NonNullable<LineChart['marks']>,
  at: { x: Record<string, unknown>; y: Record<string, unknown> },
) {
  const data = { values: marks }
  return [
    {
      data,
      mark: { type: 'point', filled: true, opacity: 1, size: 60, color: PALETTE[1] },
      encoding: at,
    },
    {
      data,
      mark: { type: 'text', align: 'left', dx: 7, dy: -7, fontSize: 11 },
      encoding: { ...at, text: { field: 'label' } },
    },
  ]
}

function colors(count: number): string[] {
  return Array.from({ length: count }, (_, index) => PALETTE[index % PALETTE.length] as string)
}
