// Ours in first-step: as short a program as trains, which says when its first step is done.

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
