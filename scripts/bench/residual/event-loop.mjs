// Measures the event-loop delay and the memory growth of a run with a hook on every step.

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { train } from '../../../dist/index.js'
import { readConfig, writeLine } from './serve.mjs'

const { steps, batch, out } = readConfig()
const RESOLUTION_MS = 1
/** First steps, which load libraries and are not measured. */
const WARM_UP_STEPS = 20

const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
/** @type {{ step: number, megabytes: number }[]} */
const memory = []
let hookCalls = 0
const result = await train(
  { data: 'fashion-mnist-mini', model: 'resnet8', batchSize: batch, budget: { steps }, out },
  {
    onStep: ({ step }) => {
      hookCalls++
      if (step === WARM_UP_STEPS) delay.enable()
      const nextSample = (memory.length + 1) * (steps / 10)
      if (step >= nextSample) memory.push({ step, megabytes: process.memoryUsage.rss() / 2 ** 20 })
    },
  },
)
delay.disable()
// The histogram includes the interval of its own timer.
const ms = (/** @type {number} */ ns) => Math.max(0, ns / 1e6 - RESOLUTION_MS)
writeLine({
  hookCalls,
  imagesPerSecond: result.imagesPerSecond,
  medianMs: ms(delay.percentile(50)),
  p99Ms: ms(delay.percentile(99)),
  maxMs: ms(delay.max),
  memory,
})
