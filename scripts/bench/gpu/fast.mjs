// The recipe `fast` by the public API: accuracy on the test images, and seconds.

import { train } from '../../../dist/index.js'
import { say, wanted } from '../ours/serve.mjs'

const { data, net, epochs, device, out } = wanted()
const { test, seconds } = await train({
  recipe: 'fast',
  data,
  model: { arch: net, stem: 'cifar' },
  epochs,
  device,
  overwrite: true,
  out,
})
say({ accuracy: test?.accuracy, seconds })
