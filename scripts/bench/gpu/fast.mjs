// The recipe `fast` by the public API: accuracy on the test images, and seconds.

import { train } from '../../../dist/bindings/ts/index.js'
import { say, wanted } from '../ours/serve.mjs'

const { data, net, epochs, out } = wanted()
/** @type {string | undefined} */
let device
const { test, seconds } = await train(
  { recipe: 'fast', data, model: { arch: net, stem: 'cifar' }, epochs, overwrite: true, out },
  {
    onStart: ({ config }) => {
      device = config.device
    },
  },
)
say({ device, accuracy: test?.accuracy, seconds })
