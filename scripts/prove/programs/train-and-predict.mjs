// Trains a small network with the package `residual` that is installed in the working directory,
// predicts and exports with it, and prints the numbers as JSON. The argument is the number of
// steps.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const require = createRequire(join(process.cwd(), 'package.json'))
const folder = join(require.resolve('residual/package.json'), '..')
const { exportModel, inspect, loadModel, train } = await import(
  pathToFileURL(join(folder, 'dist', 'index.js')).href
)

/**
 * Returns images of two classes with different textures.
 *
 * @param {number} count
 * @param {number} offset
 */
const part = (count, offset) => ({
  images: new Uint8Array(count * 28 * 28).map(
    (_, index) => (index * (3 + 8 * (Math.floor(index / 784) % 2)) + offset) % 256,
  ),
  labels: Array.from({ length: count }, (_, index) => index % 2),
  ...{ width: 28, height: 28, channels: 1 },
})
const arrays = {
  train: part(64, 0),
  val: part(8, 5),
  test: part(8, 9),
  classes: ['fine', 'coarse'],
}
const run = train(
  {
    ...{ model: 'resnet8', budget: { steps: Number(process.argv[2]) }, batchSize: 16 },
    ...{ precision: 'fp32', threads: 1, workers: 1, seed: 1 },
    ...{ out: 'runs/platform', overwrite: true },
  },
  { arrays },
)
const losses = []
for await (const event of run) {
  if (event.type === 'step') losses.push(event.loss)
}
const { last } = await run
const model = await loadModel(last)
const image = { data: arrays.test.images.subarray(0, 784), width: 28, height: 28, channels: 1 }
const predictions = await model.predict([image], { top: 2 })
await model.close()
await exportModel(last, 'model.onnx')
const { parameters } = await inspect('resnet50')
const onnx = createHash('sha256').update(readFileSync('model.onnx')).digest('hex')
process.stdout.write(
  `${JSON.stringify({ arch: process.arch, node: process.version, parameters, losses, predictions, onnx, last })}\n`,
)
