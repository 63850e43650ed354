import { smoothed, thin } from './downsample.js'

/**
 * A run whose curves are drawn.
 *
 * @typedef {object} Shown
 * @property {string} name
 * @property {number} colour
 * @property {import('./series.js').Series} steps
 * @property {import('./series.js').Series} epochs
 */

/**
 * What of the runs is drawn, and how.
 *
 * @typedef {object} View
 * @property {'step' | 'epoch'} along
 * @property {boolean} smooth
 * @property {boolean} log
 * @property {readonly [number, number]} range
 * @property {boolean} whole whether that is all there is
 */

/**
 * @typedef {object} Curve
 * @property {string} label
 * @property {number} colour
 * @property {'faint' | 'solid' | 'dashed'} style
 * @property {import('./downsample.js').Points} points
 */

/** @typedef {'loss' | 'accuracy' | 'lr' | 'rate'} Quantity */

/** In all the curves of a chart together; more than this no screen shows. */
const MOST_PARTS = 4000

/** What a mean remembers, as a share of what is in sight. */
const MEMORY = 1 / 100

/**
 * The curves of a chart.
 *
 * @param {Quantity} quantity
 * @param {readonly Shown[]} shown
 * @param {View} view
 * @param {number} width in pixels
 * @returns {Curve[]}
 */
export function curvesOf(quantity, shown, view, width) {
  const parts = Math.max(50, Math.min(width, Math.floor(MOST_PARTS / (3 * shown.length))))
  const alone = shown.length === 1
  const withNoise = shown.length <= 2
  return shown
    .flatMap((run) => linesOf(quantity, run, view, withNoise).map((line) => ({ run, ...line })))
    .map(({ run, what, style, series, y }) => ({
      label: alone ? what : `${run.name}, ${what}`,
      // One run has its curves in colours of their own, several have a colour each.
      colour: run.colour + (alone && style === 'dashed' ? 1 : 0),
      style,
      points: thin(series.column(view.along), y, view.range, parts),
    }))
    .filter(({ points }) => points.x.length > 0)
}

/**
 * A curve before it is thinned out.
 *
 * @typedef {object} Line
 * @property {Curve['style']} style
 * @property {string} what
 * @property {import('./series.js').Series} series
 * @property {Float64Array} y
 */

/**
 * What a run has of a quantity.
 *
 * @param {Quantity} quantity
 * @param {Shown} run
 * @param {View} view
 * @param {boolean} withNoise
 * @returns {Line[]}
 */
function linesOf(quantity, { steps, epochs }, view, withNoise) {
  if (quantity === 'accuracy') {
    /** @type {Line} */
    const soFar = {
      style: epochs.length > 0 ? 'faint' : 'solid',
      what: 'epoch so far',
      series: steps,
      y: steps.column('accuracy'),
    }
    return [
      ...(withNoise || epochs.length === 0 ? [soFar] : []),
      { style: 'solid', what: 'training', series: epochs, y: epochs.column('trainAccuracy') },
      { style: 'dashed', what: 'validation', series: epochs, y: epochs.column('valAccuracy') },
    ]
  }
  const series = steps.length > 0 ? steps : epochs
  if (quantity === 'lr') {
    return [{ style: 'solid', what: 'learning rate', series, y: series.column('lr') }]
  }
  if (quantity === 'rate') {
    return [{ style: 'solid', what: 'training', series, y: series.column('rate') }]
  }
  const y = series.column(series === steps ? 'loss' : 'trainLoss')
  const smooth = view.smooth && series === steps && y.length > 20
  const memory = Math.max(5, MEMORY * y.length * share(steps, view))
  return [
    ...(smooth && withNoise
      ? [/** @type {Line} */ ({ style: 'faint', what: 'batches', series, y })]
      : []),
    { style: 'solid', what: 'training', series, y: smooth ? smoothed(y, memory) : y },
    { style: 'dashed', what: 'validation', series: epochs, y: epochs.column('valLoss') },
  ]
}

/**
 * How much of a run is in sight.
 *
 * @param {import('./series.js').Series} steps
 * @param {View} view
 */
function share(steps, { along, range: [from, to], whole }) {
  const end = steps.last(along) ?? 0
  return whole || end === 0 ? 1 : Math.min(1, (to - from) / end)
}

/**
 * Where the curves begin and end.
 *
 * @param {readonly Shown[]} shown
 * @param {View['along']} along
 * @returns {[number, number]}
 */
export function extent(shown, along) {
  const ends = shown.flatMap(({ steps, epochs }) => [steps.last(along), epochs.last(along)])
  return [0, Math.max(1, ...ends.filter((end) => end !== undefined))]
}
