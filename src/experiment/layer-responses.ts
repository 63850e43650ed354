import { Model } from '../api/model/model.js'
import { type FigureFiles, writeFigure } from '../charts/figure-files.js'
import { lineChart } from '../charts/line-chart.js'
import type { LayerResponse } from '../native/generated.js'

interface NetworkResponses {
  arch: string
  family: 'plain' | 'residual'
  responses: readonly LayerResponse[]
}

/** Measures the responses of each 3x3 layer of a trained network to images without augmentation. */
export async function measureResponses(run: string): Promise<LayerResponse[]> {
  await using model = await Model.load(run)
  return await model.layerResponses()
}

/**
 * Plots figure 7 of the paper: responses by layer, and sorted from the strongest to the weakest.
 */
export async function plotResponses(
  folder: string,
  networks: readonly NetworkResponses[],
): Promise<FigureFiles> {
  const orders = {
    'by layer': (values: number[]) => values,
    sorted: (values: number[]) => values.sort((a, b) => b - a),
  }
  const series = Object.entries(orders).flatMap(([panel, order]) =>
    networks.map(({ arch, family, responses }) => ({
      name: arch,
      kind: family,
      stroke: family === 'plain' ? ('dashed' as const) : ('solid' as const),
      panel,
      points: order(responses.map(({ std }) => std)).map((y, index) => ({ x: index + 1, y })),
    })),
  )
  const svg = await lineChart({
    title: 'Responses of the 3x3 layers, before ReLU and addition',
    x: { title: 'layer' },
    y: { title: 'standard deviation' },
    series,
  })
  return await writeFigure(folder, 'responses', svg)
}
