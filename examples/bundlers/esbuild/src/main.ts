import { inspect, recipes, train } from 'residual'

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
console.log(JSON.stringify({ parameters, recipes: names.length, stopReason }))
