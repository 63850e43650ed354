import { lineChart } from '../../charts/line-chart.js'
import type { Evaluation } from '../../native/generated.js'
import type { Figure } from '../html/figure.js'
import { count, percent } from '../html/format.js'
import { table } from '../html/table.js'
import { SIZE } from './training-curves.js'

/** Whether the network's probabilities can be believed: a reliability diagram. */
export async function certaintyFigure({ calibration }: Evaluation): Promise<Figure> {
  const bins = calibration.bins.filter(({ count }) => count > 0)
  const svg = await lineChart({
    ...SIZE,
    x: { title: 'how sure it was', format: '.0%', domain: [0, 1] },
    y: { title: 'how often it was right', format: '.0%', domain: [0, 1] },
    series: [
      {
        name: 'the network',
        points: bins.map(({ confidence, accuracy }) => ({ x: confidence, y: accuracy })),
      },
      {
        name: 'as it should be',
        points: [
          { x: 0, y: 0 },
          { x: 1, y: 1 },
        ],
      },
    ],
  })
  return {
    name: 'certainty',
    svg,
    label: 'How often the network was right, by how sure it was.',
    caption: 'How often it was right, by how sure it was. Below the diagonal it is too sure.',
    numbers: table(
      'Certainty',
      ['how sure it was', 'how often it was right', 'images'].map((heading) => ({
        heading,
        numeric: true,
      })),
      bins.map((bin) => [percent(bin.confidence), percent(bin.accuracy), count(bin.count)]),
    ),
  }
}
