import { downsample, smooth } from './downsample.js'

/**
 * A run whose curves are drawn.
 *
 * @typedef {object} DrawnRun
 * @property {string} name
 * @property {number} color index
 * @property {import('./series.js').Series} steps
 * @property {import('./series.js').Series} epochs
 */

/**
 * Settings of all charts.
 *
 * @typedef {object} View
 * @property {'step' | 'epoch'} xAxis
 * @property {boolean} smooth
 * @property {boolean} log
 * @property {readonly [number, number]} range
 * @property {boolean} isFullRange
 */

/**
 * @typedef {object} Curve
 * @property {string} label
 * @property {number} color index
 * @property {'faint' | 'solid' | 'dashed'} style
 * @property {import('./downsample.js').Points} points
 */

/** @typedef {'loss' | 'accuracy' | 'lr' | 'rate'} Metric */

/** Maximum number of downsampling buckets of all curves of a chart together. */
const MAX_BUCKETS = 4000

/** Span of the smoothing, as a fraction of the visible points. */
const SMOOTHING_SPAN = 1 / 100

/**
 * Returns the curves of a chart.
 *
 * @param {Metric} metric
 * @param {readonly DrawnRun[]} runs
 * @param {View} view
 * @param {number} width in pixels
 * @returns {Curve[]}
 */
export function createCurves(metric, runs, view, width) {
  const numBuckets = Math.max(50, Math.min(width, Math.floor(MAX_BUCKETS / (3 * runs.length))))
  const isSingle = runs.length === 1
  const showsSteps = runs.length <= 2
  return runs
    .flatMap((run) => createLines(metric, run, view, showsSteps).map((line) => ({ run, ...line })))
    .map(({ run, name, style, series, y }) => ({
      label: isSingle ? name : `${run.name}, ${name}`,
      // The curves of a single run have different colors; several runs have one color each.
      color: run.color + (isSingle && style === 'dashed' ? 1 : 0),
      style,
      points: downsample(series.column(view.xAxis), y, view.range, numBuckets),
    }))
    .filter(({ points }) => points.x.length > 0)
}

/**
 * A curve before downsampling.
 *
 * @typedef {object} Line
 * @property {Curve['style']} style
 * @property {string} name
 * @property {import('./series.js').Series} series
 * @property {Float64Array} y
 */

/**
 * Returns the lines of one run in a chart.
 *
 * @param {Metric} metric
 * @param {DrawnRun} run
 * @param {View} view
 * @param {boolean} showsSteps whether to draw noisy per-step values behind the averages
 * @returns {Line[]}
 */
function createLines(metric, { steps, epochs }, view, showsSteps) {
  const series = steps.length > 0 ? steps : epochs
  switch (metric) {
    case 'accuracy':
      return accuracyLines(steps, epochs, showsSteps)
    case 'lr':
      return [{ style: 'solid', name: 'learning rate', series, y: series.column('lr') }]
    case 'rate':
      return [{ style: 'solid', name: 'training', series, y: series.column('rate') }]
    case 'loss':
      return lossLines(steps, epochs, view, showsSteps)
  }
}

/**
 * @param {import('./series.js').Series} steps
 * @param {import('./series.js').Series} epochs
 * @param {boolean} showsSteps
 * @returns {Line[]}
 */
function accuracyLines(steps, epochs, showsSteps) {
  /** @type {Line} */
  const runningMean = {
    style: epochs.length > 0 ? 'faint' : 'solid',
    name: 'running mean of the epoch',
    series: steps,
    y: steps.column('accuracy'),
  }
  return [
    ...(showsSteps || epochs.length === 0 ? [runningMean] : []),
    { style: 'solid', name: 'training', series: epochs, y: epochs.column('trainAccuracy') },
    { style: 'dashed', name: 'validation', series: epochs, y: epochs.column('valAccuracy') },
  ]
}

/**
 * @param {import('./series.js').Series} steps
 * @param {import('./series.js').Series} epochs
 * @param {View} view
 * @param {boolean} showsSteps
 * @returns {Line[]}
 */
function lossLines(steps, epochs, view, showsSteps) {
  const series = steps.length > 0 ? steps : epochs
  const y = series.column(series === steps ? 'loss' : 'trainLoss')
  const isSmoothed = view.smooth && series === steps && y.length > 20
  const span = Math.max(5, SMOOTHING_SPAN * y.length * visibleFraction(steps, view))
  /** @type {Line} */
  const batches = { style: 'faint', name: 'batches', series, y }
  return [
    ...(isSmoothed && showsSteps ? [batches] : []),
    { style: 'solid', name: 'training', series, y: isSmoothed ? smooth(y, span) : y },
    { style: 'dashed', name: 'validation', series: epochs, y: epochs.column('valLoss') },
  ]
}

/**
 * Returns the visible fraction of a run.
 *
 * @param {import('./series.js').Series} steps
 * @param {View} view
 */
function visibleFraction(steps, { xAxis, range: [from, to], isFullRange }) {
  const end = steps.last(xAxis) ?? 0
  return isFullRange || end === 0 ? 1 : Math.min(1, (to - from) / end)
}

/**
 * Returns the full range of the x axis.
 *
 * @param {readonly DrawnRun[]} runs
 * @param {View['xAxis']} xAxis
 * @returns {[number, number]}
 */
export function fullRange(runs, xAxis) {
  const ends = runs.flatMap(({ steps, epochs }) => [steps.last(xAxis), epochs.last(xAxis)])
  return [0, Math.max(1, ...ends.filter((end) => end !== undefined))]
}
