import type { Axis } from '../../charts/axis.js'
import { thin } from '../../charts/downsample.js'
import { lineChart, type Point, type Series } from '../../charts/line-chart.js'
import type { EpochEvent, StepEvent } from '../../native/generated.js'
import type { RunFolder } from '../../run-folder/run-folder.js'
import type { Figure } from '../html/figure.js'
import { count, decimal, duration, percent } from '../html/format.js'
import { type Html, html } from '../html/html.js'
import { table } from '../html/table.js'

/** Two stand beside each other on a screen; one fills a telephone. */
export const SIZE = { width: 300, height: 190, legend: 'bottom' } as const

export const EPOCHS: Axis = { title: 'epoch', whole: true }

/** Rows of the table behind the curves; metrics.csv has all. */
const MOST_ROWS = 60

/** How a run went: loss, accuracy, learning rate and throughput, epoch after epoch. */
export async function curves(run: RunFolder): Promise<Figure[]> {
  const { epochs, steps } = run
  const bySteps = (value: (step: StepEvent) => number) =>
    thin(steps.map((step) => ({ x: positionOf(step), y: value(step) })))
  const figure = async (
    figure: Omit<Figure, 'svg'>,
    y: Axis,
    series: readonly Series[],
  ): Promise<Figure> => {
    const drawn = series.filter(({ points }) => points.length > 0)
    return { ...figure, svg: await lineChart({ ...SIZE, x: EPOCHS, y, series: drawn }) }
  }
  const losses = bySteps(({ loss }) => loss)
  const whole = { name: 'training', points: byEpochs(epochs, ({ train }) => train.loss) }
  const held = { name: 'validation', points: byEpochs(epochs, ({ val }) => val?.loss) }
  const paces = byEpochs(epochs, ({ imagesPerSecond }) => imagesPerSecond)
  const figures = [
    await figure(
      {
        name: 'loss',
        label: `The loss over ${epochs.length} epochs, on training and on validation images.`,
        caption: 'Loss: how wrong the network was. Lower is better.',
      },
      { title: 'loss', domain: lossDomain([whole.points, held.points]) },
      [whole, held],
    ),
    await figure(
      {
        name: 'accuracy',
        label: `The accuracy over ${epochs.length} epochs, on training and on validation images.`,
        caption: 'Accuracy: the share of images it got right. Higher is better.',
      },
      { title: 'accuracy', format: '.0%' },
      [
        { name: 'training', points: byEpochs(epochs, ({ train }) => train.accuracy) },
        { name: 'validation', points: byEpochs(epochs, ({ val }) => val?.accuracy) },
      ],
    ),
    await figure(
      {
        name: 'learning-rate',
        label: `The learning rate over ${epochs.length} epochs.`,
        caption: 'Learning rate: how far each step went.',
      },
      { title: 'learning rate' },
      [
        {
          name: 'learning rate',
          points: steps.length > 1 ? bySteps(({ lr }) => lr) : byEpochs(epochs, ({ lr }) => lr),
        },
      ],
    ),
    await figure(
      {
        name: 'throughput',
        label: `Images trained on a second, over ${epochs.length} epochs.`,
        caption: 'Throughput: images a second, evaluation not counted.',
      },
      { title: 'images a second', domain: fromZero(paces) },
      [{ name: 'images a second', points: paces }],
    ),
  ]
  if (losses.length < 2) return figures
  const single = await figure(
    {
      name: 'step-loss',
      label: `The loss of single steps, over ${epochs.length} epochs.`,
      caption: 'Loss of single steps, each on a few images only. Of a long run some are shown.',
    },
    { title: 'loss', domain: lossDomain([losses]) },
    [{ name: 'loss', points: losses }],
  )
  return [...figures, single]
}

/** What the curves show, as numbers; of many epochs some, the best and the last among them. */
export function epochTable({ epochs, result }: RunFolder): Html {
  const best = result?.best?.epoch ?? epochs.findLast(({ best }) => best)?.epoch
  const shown = spreadEvenly(epochs, MOST_ROWS, (epoch) => epoch.epoch === best)
  const columns = ['epoch', 'training loss', 'training accuracy', 'validation loss'].concat(
    ...['validation accuracy', 'learning rate', 'images a second', 'time'],
  )
  const rows = shown.map(({ epoch, train, val, lr, imagesPerSecond, seconds }) => [
    epoch === best ? html`${epoch} <strong>best</strong>` : epoch,
    decimal(train.loss),
    percent(train.accuracy),
    decimal(val?.loss),
    percent(val?.accuracy),
    decimal(lr),
    count(imagesPerSecond),
    duration(seconds),
  ])
  const some =
    shown.length < epochs.length
      ? html`<p>${shown.length} of ${count(epochs.length)} epochs; metrics.csv has all.</p>`
      : undefined
  return html`${some}${table(
    'Epochs',
    columns.map((heading) => ({ heading, numeric: true })),
    rows,
  )}`
}

/** Where a step lies among epochs: after half of the third, 2.5. */
function positionOf({ epoch, stepInEpoch, stepsPerEpoch }: StepEvent): number {
  return epoch - 1 + stepInEpoch / stepsPerEpoch
}

/** A curve with a point an epoch, thinned out where there are many. */
export function byEpochs(
  epochs: readonly EpochEvent[],
  value: (epoch: EpochEvent) => number | undefined,
): Point[] {
  return thin(epochs.map((epoch) => ({ x: epoch.epoch, y: value(epoch) ?? Number.NaN })))
}

/** Zero to a little above the highest, apart from how it began and the few percent that burst. */
export function lossDomain(lines: readonly (readonly Point[])[]): [number, number] | undefined {
  const values = lines
    .flatMap((points) => points.slice(Math.floor(points.length / 10)))
    .map(({ y }) => y)
    .sort((a, b) => a - b)
  const high = values[Math.floor(0.98 * values.length)]
  return high === undefined || high <= 0 ? undefined : [0, 1.1 * high]
}

export function fromZero(points: readonly Point[]): [number, number] | undefined {
  const highest = points.reduce((most, { y }) => Math.max(most, y), 0)
  return highest > 0 ? [0, 1.1 * highest] : undefined
}

function spreadEvenly<T>(all: readonly T[], most: number, always: (item: T) => boolean): T[] {
  const every = Math.ceil(all.length / most)
  return all.filter(
    (item, index) => index % every === 0 || index === all.length - 1 || always(item),
  )
}
