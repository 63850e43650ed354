/**
 * A line of a chart.
 *
 * @typedef {object} Series
 * @property {string} className
 * @property {{ x: number, y: number }[]} points
 * @property {boolean} [hasMarkers]
 */

const NAMESPACE = 'http://www.w3.org/2000/svg'
const [WIDTH, HEIGHT] = [360, 170]
const MARGIN = { left: 34, right: 6, top: 8, bottom: 20 }
const MAX_POINTS = 300

/**
 * Draws lines into a figure.
 *
 * @param {HTMLElement} figure
 * @param {object} chart
 * @param {string} chart.label description for screen readers
 * @param {readonly Series[]} chart.series
 * @param {number} chart.maxX
 * @param {number} chart.maxY
 * @param {(value: number) => string} chart.format format of the y axis
 * @param {(value: number) => string} chart.formatX
 */
export function drawChart(figure, { label, series, maxX, maxY, format, formatX }) {
  const svg = create('svg', {
    class: 'chart',
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: 'img',
    'aria-label': label,
  })
  const x = (/** @type {number} */ value) =>
    MARGIN.left + (value / (maxX || 1)) * (WIDTH - MARGIN.left - MARGIN.right)
  const y = (/** @type {number} */ value) =>
    HEIGHT - MARGIN.bottom - (value / (maxY || 1)) * (HEIGHT - MARGIN.top - MARGIN.bottom)
  for (const value of [0, maxY / 2, maxY]) {
    const [y1, x1] = [y(value), MARGIN.left]
    svg.append(create('line', { class: 'grid', x1, x2: WIDTH - MARGIN.right, y1, y2: y1 }))
    svg.append(text(x1 - 6, y1 + 4, 'end', format(value)))
  }
  svg.append(text(MARGIN.left, HEIGHT - 4, 'start', formatX(0)))
  svg.append(text(WIDTH - MARGIN.right, HEIGHT - 4, 'end', formatX(maxX)))
  for (const { className, points, hasMarkers } of series) {
    const shown = thin(points.filter((point) => Number.isFinite(point.y)))
    const place = (/** @type {{ x: number, y: number }} */ point) =>
      `${x(point.x).toFixed(1)},${y(Math.min(point.y, maxY)).toFixed(1)}`
    svg.append(create('polyline', { class: className, points: shown.map(place).join(' ') }))
    const last = shown.at(-1)
    if (hasMarkers && last) {
      const marked = shown.length <= 30 ? shown : [last]
      for (const point of marked) {
        const [cx, cy] = [x(point.x), y(Math.min(point.y, maxY))]
        svg.append(create('circle', { class: className, cx, cy, r: 2.5 }))
      }
    }
  }
  figure.querySelector('svg')?.remove()
  figure.append(svg)
}

/**
 * @template T
 * @param {readonly T[]} points
 */
function thin(points) {
  const stride = Math.ceil(points.length / MAX_POINTS)
  return points.filter((_, index) => index % stride === 0 || index === points.length - 1)
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 */
function create(name, attributes) {
  const created = document.createElementNS(NAMESPACE, name)
  for (const [key, value] of Object.entries(attributes)) created.setAttribute(key, String(value))
  return created
}

/**
 * @param {number} x
 * @param {number} y
 * @param {string} anchor
 * @param {string} content
 */
function text(x, y, anchor, content) {
  const created = create('text', { x, y, 'text-anchor': anchor })
  created.textContent = content
  return created
}
