import { lineChart } from '../../charts/line-chart.js'
import type { Evaluation } from '../../native/generated.js'
import type { Figure } from '../html/figure.js'
import { formatCount, formatPercent } from '../html/format.js'
import { table } from '../html/table.js'
import { CHART_SIZE } from './training-curves.js'

/** Number of images below which the accuracies of the bins are mostly chance. */
const MIN_IMAGES = 100

/** Draws the reliability diagram: accuracy by confidence. */
export async function calibrationFigure({ calibration, count }: Evaluation): Promise<Figure> {
  const bins = calibration.bins.filter(({ count }) => count > 0)
  const svg = await lineChart({
    ...CHART_SIZE,
    x: { title: 'confidence', format: '.0%', domain: [0, 1] },
    y: { title: 'accuracy', format: '.0%', domain: [0, 1] },
    series: [
      {
        name: 'network',
        points: bins.map(({ confidence, accuracy }) => ({ x: confidence, y: accuracy })),
      },
      {
        name: 'ideal',
        points: [
          { x: 0, y: 0 },
          { x: 1, y: 1 },
        ],
      },
    ],
  })
  const headers = ['confidence', 'accuracy', 'images']
  const fewImages =
    count < MIN_IMAGES
      ? ` With only ${formatCount(count)} ${count === 1 ? 'image' : 'images'}, the points mostly vary ` +
        `by chance: use ${MIN_IMAGES} images or more.`
      : ''
  return {
    name: 'calibration',
    svg,
    label: 'Reliability diagram: accuracy by confidence.',
    caption: `Accuracy by confidence. Below the diagonal, the network is overconfident.
Expected calibration error: ${formatPercent(calibration.error)}.${fewImages}`,
    dataTable: table(
      'Calibration',
      headers.map((header) => ({ header, numeric: true })),
      bins.map((bin) => [
        formatPercent(bin.confidence),
        formatPercent(bin.accuracy),
        formatCount(bin.count),
      ]),
    ),
  }
}
