import { lineChart } from '../../charts/line-chart.js'
import type { Evaluation } from '../../native/generated.js'
import type { Figure } from '../html/figure.js'
import { formatCount, formatPercent } from '../html/format.js'
import { table } from '../html/table.js'
import { CHART_SIZE } from './training-curves.js'

/** Draws the reliability diagram: accuracy by confidence. */
export async function calibrationFigure({ calibration }: Evaluation): Promise<Figure> {
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
  return {
    name: 'calibration',
    svg,
    label: 'Reliability diagram: accuracy by confidence.',
    caption: `Accuracy by confidence. Below the diagonal, the network is overconfident.
Expected calibration error: ${formatPercent(calibration.error)}.`,
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
