// onnxruntime in inference: from a normalised tensor to logits, by the network that our export
// wrote. A piece of work is a batch.

import { InferenceSession, Tensor } from 'onnxruntime-node'
import { serve, wanted } from '../ours/serve.mjs'

const { onnx, size, batch, threads } = wanted()
const session = await InferenceSession.create(onnx, {
  graphOptimizationLevel: 'all',
  intraOpNumThreads: threads,
})
const pixels = Float32Array.from({ length: batch * 3 * size * size }, (_, i) => Math.sin(i))
const images = new Tensor('float32', pixels, [batch, 3, size, size])

await serve({}, async (count) => {
  const begin = performance.now()
  for (let i = 0; i < count; i++) await session.run({ images })
  return { items: count * batch, seconds: (performance.now() - begin) / 1000 }
})
