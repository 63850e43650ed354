import type { Axis } from '../../charts/axis.js'
import { downsample } from '../../charts/downsample.js'
import { lineChart, type Point, type Series } from '../../charts/line-chart.js'
import type { EpochEvent, StepEvent } from '../../native/generated.js'
import type { RunFolder } from '../../run-folder/run-folder.js'
import type { Figure } from '../html/figure.js'
import { formatCount, formatDecimal, formatDuration, formatPercent } from '../html/format.js'
import { type Html, html } from '../html/html.js'
import { table } from '../html/table.js'

/** Chart size in pixels: two charts fit side by side on a desktop, one fills a phone's width. */
export const CHART_SIZE = { width: 300, height: 190, legend: 'bottom' } as const

export const EPOCH_AXIS: Axis = { title: 'epoch', isInteger: true }

/** Highest loss, as a multiple of the losses after the start, that a linear axis shows. */
const MAX_SPIKE = 10

/** Maximum number of rows of the epoch table; metrics.csv contains all epochs. */
const MAX_ROWS = 60

/** Draws loss, accuracy, learning rate and throughput by epoch. */
export async function trainingCurves({ epochs, steps }: RunFolder): Promise<Figure[]> {
  const train = { name: 'training', points: epochPoints(epochs, ({ train }) => train.loss) }
  const val = { name: 'validation', points: epochPoints(epochs, ({ val }) => val?.loss) }
  const throughput = epochPoints(epochs, ({ imagesPerSecond }) => imagesPerSecond)
  const lr =
    steps.length > 1 ? stepPoints(steps, ({ lr }) => lr) : epochPoints(epochs, ({ lr }) => lr)
  const figures = [
    await curveFigure(
      {
        name: 'loss',
        label: `Training and validation loss over ${epochs.length} epochs.`,
        caption: 'Loss (lower is better).',
      },
      lossAxis([train.points, val.points]),
      [train, val],
    ),
    await curveFigure(
      {
        name: 'accuracy',
        label: `Training and validation accuracy over ${epochs.length} epochs.`,
        caption: 'Accuracy (higher is better).',
      },
      { title: 'accuracy', format: '.0%' },
      [
        { name: 'training', points: epochPoints(epochs, ({ train }) => train.accuracy) },
        { name: 'validation', points: epochPoints(epochs, ({ val }) => val?.accuracy) },
      ],
    ),
    await curveFigure(
      {
        name: 'learning-rate',
        label: `Learning rate over ${epochs.length} epochs.`,
        caption: 'Learning rate.',
      },
      { title: 'learning rate', domain: domainFromZero(lr) },
      [{ name: 'learning rate', points: lr }],
    ),
    await curveFigure(
      {
        name: 'throughput',
        label: `Training throughput over ${epochs.length} epochs, in images per second.`,
        caption: 'Training throughput, without evaluation.',
      },
      { title: 'images/s', domain: domainFromZero(throughput) },
      [{ name: 'images/s', points: throughput }],
    ),
  ]
  const losses = stepPoints(steps, ({ loss }) => loss)
  if (losses.length < 2) return figures
  const stepLoss = await curveFigure(
    {
      name: 'step-loss',
      label: `Training loss by step over ${epochs.length} epochs.`,
      caption: 'Training loss by step.',
    },
    lossAxis([losses]),
    [{ name: 'loss', points: losses }],
  )
  return [...figures, stepLoss]
}

async function curveFigure(
  figure: Omit<Figure, 'svg'>,
  y: Axis,
  series: readonly Series[],
): Promise<Figure> {
  const drawn = series.filter(({ points }) => points.length > 0)
  const svg = await lineChart({ ...CHART_SIZE, x: EPOCH_AXIS, y, series: drawn })
  return { ...figure, svg }
}

/**
 * Renders the metrics by epoch. Many epochs are sampled evenly, including the best and the last.
 */
export function epochTable({ epochs, result }: RunFolder): Html {
  const best = result?.best?.epoch ?? epochs.findLast(({ best }) => best)?.epoch
  const shown = sampleEvenly(epochs, MAX_ROWS, (epoch) => epoch.epoch === best)
  const headers = [
    ...['epoch', 'training loss', 'training accuracy', 'validation loss', 'validation accuracy'],
    ...['learning rate', 'images/s', 'time'],
  ]
  const rows = shown.map(({ epoch, train, val, lr, imagesPerSecond, seconds }) => [
    epoch === best ? html`${epoch} <strong>best</strong>` : epoch,
    formatDecimal(train.loss),
    formatPercent(train.accuracy),
    formatDecimal(val?.loss),
    formatPercent(val?.accuracy),
    formatDecimal(lr),
    formatCount(imagesPerSecond),
    formatDuration(seconds),
  ])
  const note =
    shown.length < epochs.length
      ? html`<p>${shown.length} of ${formatCount(epochs.length)} epochs; metrics.csv contains all epochs.</p>`
      : undefined
  return html`${note}${table(
    'Epochs',
    headers.map((header) => ({ header, numeric: true })),
    rows,
  )}`
}

/** Returns a metric by epoch, downsampled if there are many epochs. */
export function epochPoints(
  epochs: readonly EpochEvent[],
  value: (epoch: EpochEvent) => number | undefined,
): Point[] {
  return downsample(epochs.map((epoch) => ({ x: epoch.epoch, y: value(epoch) ?? Number.NaN })))
}

/** Returns a metric by step on the axis of epochs, downsampled if there are many steps. */
function stepPoints(steps: readonly StepEvent[], value: (step: StepEvent) => number): Point[] {
  return downsample(steps.map((step) => ({ x: fractionalEpoch(step), y: value(step) })))
}

/** Returns the position of a step in epochs: 2.5 after half of the third epoch. */
function fractionalEpoch({ epoch, stepInEpoch, stepsPerEpoch }: StepEvent): number {
  return epoch - 1 + stepInEpoch / stepsPerEpoch
}

/**
 * Returns the axis of losses, which shows every point. The axis is logarithmic if a high initial
 * loss or a spike would flatten the rest of a linear axis.
 */
export function lossAxis(lines: readonly (readonly Point[])[]): Axis {
  const values = lines.flatMap((points) => points.map(({ y }) => y))
  const lowest = values.reduce((min, y) => Math.min(min, y), Number.POSITIVE_INFINITY)
  const highest = values.reduce((max, y) => Math.max(max, y), 0)
  const settled = lines
    .flatMap((points) => points.slice(Math.floor(points.length / 10)))
    .map(({ y }) => y)
    .sort((a, b) => a - b)
  const typical = settled[Math.floor(0.98 * settled.length)] ?? highest
  if (lowest > 0 && highest > MAX_SPIKE * typical) {
    return { title: 'loss (logarithmic)', scale: 'log' }
  }
  return highest > 0
    ? { title: 'loss', domain: [Math.min(0, lowest), 1.05 * highest] }
    : { title: 'loss' }
}

/** Returns a domain from zero to just above the highest point. */
export function domainFromZero(points: readonly Point[]): [number, number] | undefined {
  const highest = points.reduce((max, { y }) => Math.max(max, y), 0)
  return highest > 0 ? [0, 1.1 * highest] : undefined
}

function sampleEvenly<T>(
  items: readonly T[],
  maxItems: number,
  isRequired: (item: T) => boolean,
): T[] {
  const stride = Math.ceil(items.length / maxItems)
  return items.filter(
    (item, index) => index % stride === 0 || index === items.length - 1 || isRequired(item),
  )
}
