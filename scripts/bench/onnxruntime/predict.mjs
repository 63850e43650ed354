// onnxruntime in the cases infer-*: from a normalized tensor to logits, with the network that
// residual exported. A unit of work is a batch.

import { InferenceSession, Tensor } from 'onnxruntime-node'
import { readConfig, serve } from '../residual/serve.mjs'

const { onnx, size, batch, threads } = readConfig()
const session = await InferenceSession.create(onnx, {
  graphOptimizationLevel: 'all',
  intraOpNumThreads: threads,
})
const pixels = Float32Array.from({ length: batch * 3 * size * size }, (_, i) => Math.sin(i))
const images = new Tensor('float32', pixels, [batch, 3, size, size])

await serve({}, async (count) => {
  const start = performance.now()
  for (let i = 0; i < count; i++) await session.run({ images })
  return { items: count * batch, seconds: (performance.now() - start) / 1000 }
})
