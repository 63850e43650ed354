import uPlot from '/uplot.js'
import { curvesOf } from './curves.js'
import { element, say } from './dom.js'
import { firstFrom } from './downsample.js'
import { count, digits, percent } from './format.js'

/** @typedef {import('./curves.js').Curve} Curve */
/** @typedef {import('./curves.js').View} View */

/** @type {readonly { quantity: import('./curves.js').Quantity, title: string, format: (value: number) => string }[]} */
const CHARTS = [
  { quantity: 'loss', title: 'Loss', format: digits },
  { quantity: 'accuracy', title: 'Accuracy', format: percent },
  { quantity: 'lr', title: 'Learning rate', format: digits },
  { quantity: 'rate', title: 'Images a second', format: count },
]

const HEIGHT = 230

/** With fewer points than this each of them is seen; a single one would not be otherwise. */
const SPARSE = 50

/** How far a key walks, as a share of what is in sight. */
const STRIDE = 0.02

/** The charts, all along the same stretch. */
export class Charts {
  /** @type {readonly Chart[]} */
  #charts

  /**
   * @param {HTMLElement} host
   * @param {(range: [number, number] | undefined) => void} onRange when another stretch is wanted
   */
  constructor(host, onRange) {
    this.#charts = CHARTS.map((kind) => new Chart(host, kind, onRange))
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      for (const chart of this.#charts) chart.rebuild()
    })
  }

  /**
   * @param {readonly import('./curves.js').Shown[]} shown
   * @param {View} view
   */
  draw(shown, view) {
    for (const chart of this.#charts) {
      chart.draw(curvesOf(chart.quantity, shown, view, chart.width), view)
    }
  }
}

class Chart {
  #kind
  #onRange
  #plot = element('div', { class: 'plot', tabindex: 0, role: 'group' })
  #legend = element('ul', { class: 'legend' })
  #spoken = element('p', { class: 'hidden', role: 'status' })
  /** @type {uPlot | undefined} */
  #uplot
  /** What the plot was built for; another number of curves needs another plot. */
  #built = ''
  /** @type {Curve[]} */
  #curves = []
  /** @type {View | undefined} */
  #view
  /** @type {HTMLElement[]} */
  #values = []

  /**
   * @param {HTMLElement} host
   * @param {(typeof CHARTS)[number]} kind
   * @param {(range: [number, number] | undefined) => void} onRange
   */
  constructor(host, kind, onRange) {
    this.#kind = kind
    this.#onRange = onRange
    const caption = element('figcaption', {}, kind.title)
    host.append(
      element('figure', { class: 'chart' }, caption, this.#plot, this.#legend, this.#spoken),
    )
    this.#plot.setAttribute('aria-describedby', 'chart-help')
    this.#plot.addEventListener('keydown', (event) => this.#key(event))
    new ResizeObserver(() => this.#resize()).observe(this.#plot)
  }

  get quantity() {
    return this.#kind.quantity
  }

  /** In pixels. */
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
    const built = JSON.stringify([
      ...[view.log, view.along],
      ...curves.map(({ label, colour, style }) => [label, colour, style]),
    ])
    if (built !== this.#built) {
      this.#built = built
      this.rebuild()
    } else if (this.#uplot !== undefined) {
      this.#uplot.setData(this.#data(), false)
      this.#uplot.batch(() => this.#scale())
    }
    this.#read()
  }

  /** Makes the plot anew, for other curves or in other colours. */
  rebuild() {
    this.#uplot?.destroy()
    this.#uplot = undefined
    this.#plot.replaceChildren()
    this.#listCurves()
    if (this.#curves.length === 0 || this.#view === undefined) {
      this.#plot.append(element('p', { class: 'nothing faint' }, 'nothing yet'))
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
    const { format, quantity } = this.#kind
    const [ink, line] = [colourOf('--faint'), colourOf('--line')]
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
        bind: { dblclick: () => () => this.#showAll() },
      },
      scales: {
        x: { time: false, auto: false },
        y: scaleOf(quantity, view),
      },
      axes: [
        { ...axis, font, size: 30, values: (_, marks) => marks.map((mark) => shortCount(mark)) },
        {
          ...axis,
          font,
          size: 62,
          values: (_, marks) => marks.map((mark) => (mark === null ? '' : format(mark))),
        },
      ],
      series: [{}, ...this.#curves.map((curve) => style(curve, (index) => this.#isSparse(index)))],
      hooks: {
        setSelect: [(plot) => this.#selected(plot)],
        setCursor: [() => this.#read()],
      },
    }
  }

  /** @returns {null} for uPlot, which has nothing left to do */
  #showAll() {
    this.#onRange(undefined)
    return null
  }

  /** @param {number} index from 1, as uPlot counts curves */
  #isSparse(index) {
    return (this.#curves[index - 1]?.points.x.length ?? 0) < SPARSE
  }

  /** @param {uPlot} plot */
  #selected(plot) {
    const { left, width } = plot.select
    if (width < 3) return
    const range = /** @type {[number, number]} */ (
      [left, left + width].map((x) => plot.posToVal(x, 'x'))
    )
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
    this.#onRange(range)
  }

  #listCurves() {
    this.#values = []
    this.#legend.replaceChildren(
      ...this.#curves.map(({ label, colour, style }) => {
        const mark = element('span', { class: `mark ${style}` })
        mark.style.borderColor = colourOf(`--curve-${colour % 8}`)
        const value = element('span', { class: 'value' })
        this.#values.push(value)
        return element('li', {}, mark, element('bdi', {}, label), ' ', value)
      }),
    )
  }

  /** Writes the values under the cursor or, where it is not, the last ones. */
  #read() {
    const left = this.#uplot?.cursor.left ?? -1
    const x = left >= 0 ? this.#uplot?.posToVal(left, 'x') : undefined
    const values = this.#curves.map(({ points }) => {
      const index = x === undefined ? points.y.length - 1 : nearest(points.x, x)
      return this.#kind.format(/** @type {number} */ (points.y[index]))
    })
    for (const [index, value] of values.entries()) {
      const to = this.#values[index]
      if (to !== undefined) say(to, value)
    }
    const words = this.#curves.map(({ label }, index) => `${label} ${values[index]}`).join(', ')
    if (x === undefined) {
      this.#plot.setAttribute('aria-label', `${this.#kind.title}: ${words || 'nothing yet'}`)
    } else if (document.activeElement === this.#plot) {
      say(this.#spoken, `${this.#view?.along} ${shortCount(x)}: ${words}`)
    }
  }

  #resize() {
    if (this.#uplot === undefined || this.#uplot.width === this.width) return
    this.#uplot.setSize({ width: this.width, height: HEIGHT })
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const [plot, view] = [this.#uplot, this.#view]
    if (plot === undefined || view === undefined || event.ctrlKey || event.metaKey || event.altKey)
      return
    const [from, to] = view.range
    const left = plot.cursor.left ?? -1
    const at = left >= 0 ? plot.posToVal(left, 'x') : (from + to) / 2
    const stride = STRIDE * (to - from) * (event.shiftKey ? 5 : 1)
    /** @type {Record<string, () => void>} */
    const keys = {
      ArrowLeft: () => this.#walk(plot, Math.max(from, at - stride)),
      ArrowRight: () => this.#walk(plot, Math.min(to, at + stride)),
      Home: () => this.#walk(plot, from),
      End: () => this.#walk(plot, to),
      '+': () => this.#onRange(around(at, (to - from) / 2, from, to)),
      '-': () => this.#onRange(around(at, 2 * (to - from), 0, Number.POSITIVE_INFINITY)),
      0: () => this.#onRange(undefined),
      Escape: () => plot.setCursor({ left: -10, top: -10 }),
    }
    const act =
      keys[event.key === '−' || event.key === '_' ? '-' : event.key === '=' ? '+' : event.key]
    if (act === undefined) return
    event.preventDefault()
    act()
  }

  /**
   * @param {uPlot} plot
   * @param {number} x
   */
  #walk(plot, x) {
    plot.setCursor({ left: plot.valToPos(x, 'x'), top: HEIGHT / 3 })
  }
}

/**
 * @param {number} at
 * @param {number} width
 * @param {number} low
 * @param {number} high
 * @returns {[number, number]}
 */
function around(at, width, low, high) {
  const from = Math.max(low, Math.min(at - width / 2, high - width))
  return [from, from + width]
}

/**
 * @param {Curve} curve
 * @param {(index: number) => boolean} isSparse whether a curve has few points, from 1
 * @returns {uPlot.Series}
 */
function style({ label, colour, style }, isSparse) {
  const stroke = colourOf(`--curve-${colour % 8}`)
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
 * A colour of the style sheet, `#rrggbb`.
 *
 * @param {string} name
 */
function colourOf(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim()
}

/**
 * @param {readonly number[]} x
 * @param {number} value
 */
function nearest(x, value) {
  const after = Math.min(firstFrom(x, value), x.length - 1)
  const before = Math.max(0, after - 1)
  const distance = (/** @type {number} */ index) =>
    Math.abs(/** @type {number} */ (x[index]) - value)
  return distance(before) < distance(after) ? before : after
}

/**
 * Rates are seen from nothing up, lest a wobble looks like a fall.
 *
 * @param {import('./curves.js').Quantity} quantity
 * @param {View} view
 * @returns {uPlot.Scale}
 */
function scaleOf(quantity, { log }) {
  if (quantity === 'lr' || quantity === 'rate') {
    return { range: (_, __, max) => [0, max > 0 ? 1.08 * max : 1] }
  }
  return quantity === 'loss' && log ? { distr: 3 } : {}
}

/** @param {number} value */
function shortCount(value) {
  if (Math.abs(value) >= 1e6) return `${digits(value / 1e6)} M`
  if (Math.abs(value) >= 1e4) return `${digits(value / 1e3)} k`
  return Number.isInteger(value) ? count(value) : digits(value)
}
