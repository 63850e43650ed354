// Trains a network for one step, so that there is one to predict with, and writes it as ONNX too.

import { join } from 'node:path'
import { exportModel, train } from '../../../dist/index.js'
import { pictures } from './pictures.mjs'
import { say, wanted } from './serve.mjs'

const { net, stem, size, out } = wanted()
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
  { arrays: { train: pictures(10, size) } },
)
const file = join(dir, 'model.onnx')
await exportModel(dir, file)
say({ model: dir, onnx: file })
