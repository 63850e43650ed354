// Creates the model of the inference cases by one training step, and exports it as ONNX.

import { join } from 'node:path'
import { exportModel, train } from '../../../dist/index.js'
import { randomImages } from './random-images.mjs'
import { readConfig, writeLine } from './serve.mjs'

const { net, stem, size, out } = readConfig()
const { dir } = await train(
  {
    data: { validation: 0, imageSize: size },
    model: { arch: net, stem },
    batchSize: 10,
    budget: { steps: 1 },
    transform: { crop: 'none', flip: false },
    overwrite: true,
    out,
  },
  { arrays: { train: randomImages(10, size) } },
)
const file = join(dir, 'model.onnx')
await exportModel(dir, file)
writeLine({ model: dir, onnx: file })
