import uPlot from '/uplot.js'
import { createCurves } from './curves.js'
import { element, setText } from './dom.js'
import { lowerBound } from './downsample.js'
import { formatCount, formatDecimal, formatPercent } from './format.js'

/** @typedef {import('./curves.js').Curve} Curve */
/** @typedef {import('./curves.js').View} View */

/**
 * @type {readonly { metric: import('./curves.js').Metric, title: string, format: (value: number) =>
 * string }[]}
 */
const CHARTS = [
  { metric: 'loss', title: 'Loss', format: formatDecimal },
  { metric: 'accuracy', title: 'Accuracy', format: formatPercent },
  { metric: 'lr', title: 'Learning rate', format: formatDecimal },
  { metric: 'rate', title: 'Throughput (images/s)', format: formatCount },
]

/** Height of a plot in pixels. */
const HEIGHT = 230

/** Number of points below which a curve shows its points; a single point has no visible line. */
const MIN_DENSE_POINTS = 50

/** Movement of the cursor per key press, as a fraction of the visible range. */
const KEY_STEP = 0.02

/** All charts, with a common range of the x axis. */
export class Charts {
  /** @type {readonly Chart[]} */
  #charts

  /**
   * @param {HTMLElement} host
   * @param {(range: [number, number] | undefined) => void} onZoom called with undefined to reset
   */
  constructor(host, onZoom) {
    this.#charts = CHARTS.map((kind) => new Chart(host, kind, onZoom))
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      for (const chart of this.#charts) chart.rebuild()
    })
  }

  /**
   * @param {readonly import('./curves.js').DrawnRun[]} runs
   * @param {View} view
   */
  draw(runs, view) {
    for (const chart of this.#charts) {
      chart.draw(createCurves(chart.metric, runs, view, chart.width), view)
    }
  }
}

class Chart {
  #kind
  #onZoom
  #plot = element('div', { class: 'plot', tabindex: 0, role: 'group' })
  #legend = element('ul', { class: 'legend' })
  #announcement = element('p', { class: 'hidden', role: 'status' })
  /** @type {uPlot | undefined} */
  #uplot
  /** Identifies the curves and axes of the plot; a change requires a new plot. */
  #plotKey = ''
  /** @type {Curve[]} */
  #curves = []
  /** @type {View | undefined} */
  #view
  /** @type {HTMLElement[]} */
  #values = []

  /**
   * @param {HTMLElement} host
   * @param {(typeof CHARTS)[number]} kind
   * @param {(range: [number, number] | undefined) => void} onZoom
   */
  constructor(host, kind, onZoom) {
    this.#kind = kind
    this.#onZoom = onZoom
    const caption = element('figcaption', {}, kind.title)
    host.append(
      element('figure', { class: 'chart' }, caption, this.#plot, this.#legend, this.#announcement),
    )
    this.#plot.setAttribute('aria-describedby', 'chart-help')
    this.#plot.addEventListener('keydown', (event) => this.#handleKey(event))
    new ResizeObserver(() => this.#resize()).observe(this.#plot)
  }

  get metric() {
    return this.#kind.metric
  }

  /** Width of the plot in pixels. */
  get width() {
    return Math.max(200, this.#plot.clientWidth)
  }

  /**
   * @param {Curve[]} curves
   * @param {View} view
   */
  draw(curves, view) {
    this.#curves = curves
    this.#view = view
    const plotKey = JSON.stringify([
      ...[view.log, view.xAxis],
      ...curves.map(({ label, color, style }) => [label, color, style]),
    ])
    if (plotKey !== this.#plotKey) {
      this.#plotKey = plotKey
      this.rebuild()
    } else if (this.#uplot !== undefined) {
      this.#uplot.setData(this.#data(), false)
      this.#uplot.batch(() => this.#scale())
    }
    this.#showValues()
  }

  /** Recreates the plot after a change of curves or colors. */
  rebuild() {
    this.#uplot?.destroy()
    this.#uplot = undefined
    this.#plot.replaceChildren()
    this.#buildLegend()
    if (this.#curves.length === 0 || this.#view === undefined) {
      this.#plot.append(element('p', { class: 'empty-chart faint' }, 'no data yet'))
      return
    }
    this.#uplot = new uPlot(this.#options(this.#view), this.#data(), this.#plot)
    this.#scale()
  }

  /** @returns {uPlot.AlignedData} */
  #data() {
    const tables = this.#curves.map(
      ({ points }) => /** @type {uPlot.AlignedData} */ ([points.x, points.y]),
    )
    return tables.length === 0 ? [[]] : uPlot.join(tables)
  }

  #scale() {
    const [min, max] = this.#view?.range ?? [0, 1]
    this.#uplot?.setScale('x', { min, max })
  }

  /**
   * @param {View} view
   * @returns {uPlot.Options}
   */
  #options(view) {
    const { format, metric } = this.#kind
    const [ink, line] = [cssColor('--faint'), cssColor('--line')]
    const axis = {
      stroke: ink,
      grid: { stroke: line, width: 1 },
      ticks: { stroke: line, width: 1 },
    }
    const font = '12px system-ui, sans-serif'
    return {
      width: this.width,
      height: HEIGHT,
      legend: { show: false },
      padding: [8, 26, 0, 0],
      cursor: {
        sync: { key: 'residual' },
        drag: { x: true, y: false, setScale: false },
        points: { size: 7 },
        bind: { dblclick: () => () => this.#resetZoom() },
      },
      scales: {
        x: { time: false, auto: false },
        y: yScale(metric, view),
      },
      axes: [
        { ...axis, font, size: 30, values: (_, ticks) => ticks.map((tick) => formatTick(tick)) },
        {
          ...axis,
          font,
          size: 62,
          values: (_, ticks) => ticks.map((tick) => (tick === null ? '' : format(tick))),
        },
      ],
      series: [
        {},
        ...this.#curves.map((curve) => seriesOptions(curve, (index) => this.#isSparse(index))),
      ],
      hooks: {
        setSelect: [(plot) => this.#zoomToSelection(plot)],
        setCursor: [() => this.#showValues()],
      },
    }
  }

  /** @returns {null} so that uPlot skips its own handler */
  #resetZoom() {
    this.#onZoom(undefined)
    return null
  }

  /** @param {number} index of a curve in uPlot, which counts from 1 */
  #isSparse(index) {
    return (this.#curves[index - 1]?.points.x.length ?? 0) < MIN_DENSE_POINTS
  }

  /** @param {uPlot} plot */
  #zoomToSelection(plot) {
    const { left, width } = plot.select
    if (width < 3) return
    const range = /** @type {[number, number]} */ (
      [left, left + width].map((x) => plot.posToVal(x, 'x'))
    )
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
    this.#onZoom(range)
  }

  #buildLegend() {
    this.#values = []
    this.#legend.replaceChildren(
      ...this.#curves.map(({ label, color, style }) => {
        const mark = element('span', { class: `mark ${style}` })
        mark.style.borderColor = cssColor(`--curve-${color % 8}`)
        const value = element('span', { class: 'value' })
        this.#values.push(value)
        return element('li', {}, mark, element('bdi', {}, label), ' ', value)
      }),
    )
  }

  /** Shows the values at the cursor in the legend, or the last values without a cursor. */
  #showValues() {
    const left = this.#uplot?.cursor.left ?? -1
    const x = left >= 0 ? this.#uplot?.posToVal(left, 'x') : undefined
    const values = this.#curves.map(({ points }) => {
      const index = x === undefined ? points.y.length - 1 : nearestIndex(points.x, x)
      return this.#kind.format(/** @type {number} */ (points.y[index]))
    })
    for (const [index, value] of values.entries()) {
      const target = this.#values[index]
      if (target !== undefined) setText(target, value)
    }
    const text = this.#curves.map(({ label }, index) => `${label} ${values[index]}`).join(', ')
    if (x === undefined) {
      this.#plot.setAttribute('aria-label', `${this.#kind.title}: ${text || 'no data yet'}`)
    } else if (document.activeElement === this.#plot) {
      setText(this.#announcement, `${this.#view?.xAxis} ${formatTick(x)}: ${text}`)
    }
  }

  #resize() {
    if (this.#uplot === undefined || this.#uplot.width === this.width) return
    this.#uplot.setSize({ width: this.width, height: HEIGHT })
  }

  /** @param {KeyboardEvent} event */
  #handleKey(event) {
    const [plot, view] = [this.#uplot, this.#view]
    if (plot === undefined || view === undefined || event.ctrlKey || event.metaKey || event.altKey)
      return
    const [from, to] = view.range
    const left = plot.cursor.left ?? -1
    const x = left >= 0 ? plot.posToVal(left, 'x') : (from + to) / 2
    const step = KEY_STEP * (to - from) * (event.shiftKey ? 5 : 1)
    /** @type {Record<string, () => void>} */
    const actions = {
      ArrowLeft: () => this.#moveCursor(plot, Math.max(from, x - step)),
      ArrowRight: () => this.#moveCursor(plot, Math.min(to, x + step)),
      Home: () => this.#moveCursor(plot, from),
      End: () => this.#moveCursor(plot, to),
      '+': () => this.#onZoom(rangeAround(x, (to - from) / 2, from, to)),
      '-': () => this.#onZoom(rangeAround(x, 2 * (to - from), 0, Number.POSITIVE_INFINITY)),
      0: () => this.#onZoom(undefined),
      Escape: () => plot.setCursor({ left: -10, top: -10 }),
    }
    const action =
      actions[event.key === '−' || event.key === '_' ? '-' : event.key === '=' ? '+' : event.key]
    if (action === undefined) return
    event.preventDefault()
    action()
  }

  /**
   * @param {uPlot} plot
   * @param {number} x
   */
  #moveCursor(plot, x) {
    plot.setCursor({ left: plot.valToPos(x, 'x'), top: HEIGHT / 3 })
  }
}

/**
 * Returns a range of a width around a center, within limits.
 *
 * @param {number} center
 * @param {number} width
 * @param {number} low
 * @param {number} high
 * @returns {[number, number]}
 */
function rangeAround(center, width, low, high) {
  const from = Math.max(low, Math.min(center - width / 2, high - width))
  return [from, from + width]
}

/**
 * @param {Curve} curve
 * @param {(index: number) => boolean} isSparse whether a curve has few points, by its index in
 * uPlot
 * @returns {uPlot.Series}
 */
function seriesOptions({ label, color, style }, isSparse) {
  const stroke = cssColor(`--curve-${color % 8}`)
  return {
    label,
    stroke: style === 'faint' ? `${stroke}55` : stroke,
    width: style === 'faint' ? 1 : 2,
    spanGaps: true,
    points: {
      show: (_, index) => style !== 'faint' && isSparse(index),
      size: 5,
      fill: stroke,
    },
    ...(style === 'dashed' ? { dash: [6, 4] } : {}),
  }
}

/**
 * Returns a color of the style sheet, `#rrggbb`.
 *
 * @param {string} property
 */
function cssColor(property) {
  return getComputedStyle(document.documentElement).getPropertyValue(property).trim()
}

/**
 * Returns the index of the number that is nearest to a value.
 *
 * @param {readonly number[]} x in ascending order
 * @param {number} value
 */
function nearestIndex(x, value) {
  const after = Math.min(lowerBound(x, value), x.length - 1)
  const before = Math.max(0, after - 1)
  const distance = (/** @type {number} */ index) =>
    Math.abs(/** @type {number} */ (x[index]) - value)
  return distance(before) < distance(after) ? before : after
}

/**
 * Returns the scale of the y axis. Learning rate and throughput start at zero, so that small
 * variations are not exaggerated.
 *
 * @param {import('./curves.js').Metric} metric
 * @param {View} view
 * @returns {uPlot.Scale}
 */
function yScale(metric, { log }) {
  if (metric === 'lr' || metric === 'rate') {
    return { range: (_, __, max) => [0, max > 0 ? 1.08 * max : 1] }
  }
  return metric === 'loss' && log ? { distr: 3 } : {}
}

/** @param {number} value */
function formatTick(value) {
  if (Math.abs(value) >= 1e6) return `${formatDecimal(value / 1e6)} M`
  if (Math.abs(value) >= 1e4) return `${formatDecimal(value / 1e3)} k`
  return Number.isInteger(value) ? formatCount(value) : formatDecimal(value)
}
