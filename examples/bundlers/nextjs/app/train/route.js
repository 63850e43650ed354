import { inspect, recipes, train } from 'residual'

// Computed at each request, on a server with Node.
export const dynamic = 'force-dynamic'
export const runtime = 'nodejs'

export async function GET() {
  const { parameters } = await inspect('resnet18')
  const names = (await recipes()).map(({ name }) => name)
  const { stopReason } = await train({
    data: 'fashion-mnist-mini',
    model: 'resnet8',
    budget: { steps: 1 },
    batchSize: 16,
    out: 'runs/example',
    overwrite: true,
  })
  return Response.json({ parameters, recipes: names.length, stopReason })
}
