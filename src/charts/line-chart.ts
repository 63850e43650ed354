import { type Axis, axisChannel, isInDomain } from './axis.js'
import { renderChart } from './render.js'
import { INK, PALETTE } from './theme.js'

/** A point of a curve, with an optional band of one standard deviation. */
export interface Point {
  x: number
  y: number
  std?: number | undefined
}

/** Line style. As in the paper, test error is `bold` and training error `dashed`. */
export type Stroke = 'solid' | 'bold' | 'dashed'

/** A curve. */
export interface Series {
  /** Name in the legend of colors; series of the same name share a color. */
  name: string
  points: readonly Point[]
  /** Default: solid. */
  stroke?: Stroke | undefined
  /** Name in the legend of strokes: `training error`. */
  kind?: string | undefined
  /** Panel of the curve; panels are drawn side by side. */
  panel?: string | undefined
}

/** Curves with a common x axis. */
export interface LineChart {
  title?: string | undefined
  x: Axis
  y: Axis
  series: readonly Series[]
  /** Labeled points on top of the curves. */
  annotations?: readonly Annotation[] | undefined
  /** Width of a panel in pixels. Default: 420. */
  width?: number | undefined
  /** Height in pixels. Default: 280. */
  height?: number | undefined
  /** Position of the legend. Default: `right`. */
  legend?: 'right' | 'bottom' | undefined
}

interface Annotation {
  x: number
  y: number
  label: string
}

const DASHES: Record<Stroke, number[]> = { solid: [1, 0], bold: [1, 0], dashed: [5, 3] }
const WIDTHS: Record<Stroke, number> = { solid: 1.75, bold: 2.75, dashed: 1.25 }

/** Layout of a legend below the chart: two columns fit the default width. */
const BOTTOM_LEGEND = { direction: 'horizontal', columns: 2, labelLimit: 150 }

/** Renders a line chart as SVG. */
export async function lineChart(chart: LineChart): Promise<string> {
  const { title = '', x, y, series, annotations = [], width = 420, height = 280 } = chart
  const rows = series.flatMap((line, index) => toRows(line, index, x, y))
  const position = {
    x: {
      field: 'x',
      ...axisChannel(
        x,
        rows.map((row) => row.x),
      ),
    },
    y: {
      field: 'y',
      ...axisChannel(
        y,
        rows.map((row) => row.y),
      ),
    },
  }
  const legend = {
    orient: chart.legend ?? 'right',
    ...(chart.legend === 'bottom' && BOTTOM_LEGEND),
  }
  const color = colorChannel(series, legend)
  const layer = [
    ...(rows.some((row) => row.high > row.low) ? [bandLayer(position, color)] : []),
    {
      mark: { type: 'line', clip: true, strokeCap: 'butt', strokeJoin: 'round' },
      encoding: {
        ...position,
        color,
        ...strokeChannels(series, legend),
        detail: { field: 'index' },
      },
    },
    ...(rows.some(({ isSingle }) => isSingle) ? [singlePointLayer(position, color)] : []),
    ...(annotations.length > 0 ? annotationLayers(annotations, position) : []),
  ]
  const data = { values: rows }
  const panels = [...new Set(series.map(({ panel = '' }) => panel))]
  if (panels.length < 2) return renderChart({ title, data, width, height, layer })
  return renderChart({
    title,
    data,
    facet: { column: { field: 'panel', type: 'nominal', sort: panels } },
    spec: { width, height, layer },
  })
}

type Channel = Record<string, unknown>
type Position = { x: Channel; y: Channel }

function toRows(line: Series, index: number, x: Axis, y: Axis) {
  const { name, points, stroke = 'solid', kind = stroke, panel = '' } = line
  const drawn = points.filter((point) => isInDomain(x, point.x) && isInDomain(y, point.y))
  const common = { name, kind, panel, index, isSingle: drawn.length === 1 }
  return drawn.map((point) => {
    const std = point.std ?? 0
    const low = isInDomain(y, point.y - std) ? point.y - std : point.y
    return { x: point.x, y: point.y, low, high: point.y + std, ...common }
  })
}

function colorChannel(series: readonly Series[], legend: object): Channel {
  const names = [...new Set(series.map(({ name }) => name))]
  const range = names.map((_, index) => PALETTE[index % PALETTE.length])
  return {
    field: 'name',
    type: 'nominal',
    title: null,
    scale: { domain: names, range },
    legend: names.length > 1 ? { symbolType: 'stroke', symbolOpacity: 1, ...legend } : null,
  }
}

/** Encodes the stroke of a series as dashes and width; equal domains give them one legend. */
function strokeChannels(series: readonly Series[], legend: object) {
  const strokes = new Map<string, Stroke>()
  for (const { stroke = 'solid', kind = stroke } of series) strokes.set(kind, stroke)
  const channel = (values: Record<Stroke, unknown>) => ({
    field: 'kind',
    type: 'ordinal',
    title: null,
    scale: {
      type: 'ordinal',
      domain: [...strokes.keys()],
      range: [...strokes.values()].map((stroke) => values[stroke]),
    },
    legend: strokes.size > 1 ? { symbolType: 'stroke', symbolStrokeColor: INK, ...legend } : null,
  })
  return { strokeDash: channel(DASHES), strokeWidth: channel(WIDTHS) }
}

/** Draws a band of one standard deviation around each curve. */
function bandLayer({ x, y }: Position, color: Channel) {
  return {
    mark: { type: 'area', opacity: 0.18, clip: true },
    encoding: {
      x,
      y: { ...y, field: 'low' },
      y2: { field: 'high' },
      color,
      detail: { field: 'index' },
    },
  }
}

/** Draws a dot for a curve of a single point, which has no visible line. */
function singlePointLayer(position: Position, color: Channel) {
  return {
    transform: [{ filter: 'datum.isSingle' }],
    mark: { type: 'point', filled: true, opacity: 1, size: 50, clip: true },
    encoding: { ...position, color },
  }
}

function annotationLayers(annotations: readonly Annotation[], position: Position) {
  const data = { values: annotations }
  return [
    {
      data,
      mark: { type: 'point', filled: true, opacity: 1, size: 60, color: PALETTE[1] },
      encoding: position,
    },
    {
      data,
      mark: { type: 'text', align: 'left', dx: 7, dy: -7, fontSize: 11 },
      encoding: { ...position, text: { field: 'label' } },
    },
  ]
}
