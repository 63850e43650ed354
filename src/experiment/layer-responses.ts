import { Model } from '../api/model/model.js'
import { type FigureFiles, writeFigure } from '../charts/figure-files.js'
import { lineChart } from '../charts/line-chart.js'
import type { LayerResponse } from '../native/generated.js'

/** A network's layers, and how it is drawn. */
interface Responding {
  arch: string
  family: 'plain' | 'residual'
  responses: readonly LayerResponse[]
}

/** How strongly each 3x3 layer of a trained run answers to images that are not augmented. */
export async function measureResponses(run: string): Promise<LayerResponse[]> {
  await using model = await Model.load(run)
  return await model.layerResponses()
}

/** The paper's figure 7: the layers in their order, and from the strongest to the weakest. */
export async function plotResponses(
  folder: string,
  nets: readonly Responding[],
): Promise<FigureFiles> {
  const orders = {
    'in their order': (values: number[]) => values,
    'by strength': (values: number[]) => values.sort((a, b) => b - a),
  }
  const series = Object.entries(orders).flatMap(([panel, order]) =>
    nets.map(({ arch, family, responses }) => ({
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
