// residual in the cases infer-*: from pixels in memory to ranked probabilities. A unit of work is a
// batch.

import { loadModel } from '../../../dist/index.js'
import { randomImages } from './random-images.mjs'
import { readConfig, serve } from './serve.mjs'

const { model: path, size, batch, precision } = readConfig()
const { images, channels } = randomImages(batch, size)
const bytes = size * size * channels
const input = Array.from({ length: batch }, (_, index) => ({
  data: images.subarray(index * bytes, (index + 1) * bytes),
  width: size,
  height: size,
  channels,
}))

const model = await loadModel(path, precision === undefined ? {} : { precision })
await serve({ precision: precision ?? 'default' }, async (count) => {
  const start = performance.now()
  for (let i = 0; i < count; i++) await model.predict(input)
  return { items: count * batch, seconds: (performance.now() - start) / 1000 }
})
await model.close()
