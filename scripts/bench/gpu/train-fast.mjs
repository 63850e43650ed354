// Trains with the recipe `fast` through the public API: test accuracy and seconds.

import { train } from '../../../dist/index.js'
import { readConfig, writeLine } from '../residual/serve.mjs'

const { data, net, epochs, device, out } = readConfig()
const { test, seconds } = await train({
  recipe: 'fast',
  data,
  model: { arch: net, stem: 'cifar' },
  epochs,
  device,
  overwrite: true,
  out,
})
writeLine({ accuracy: test?.accuracy, seconds })
