// residual in the case first-step: a minimal training program that reports its first step.

import { train } from '../../../dist/index.js'

const { data, net, out } = JSON.parse(process.argv[2] ?? '{}')
const run = train(
  { data, model: { arch: net, stem: 'cifar' }, batchSize: 128, overwrite: true, out },
  {
    onStep: ({ loss }) => {
      process.stdout.write(`${JSON.stringify({ loss })}\n`)
      return 'stop'
    },
  },
)
await run
