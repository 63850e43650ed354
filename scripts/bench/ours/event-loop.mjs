// How long JavaScript waits while a network trains, and whether memory grows: one run with a hook on
// every step.

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { train } from '../../../dist/index.js'
import { say, wanted } from './serve.mjs'

const { steps, batch, out } = wanted()
const RESOLUTION_MS = 1
/** What comes before is loading and warming up. */
const WARM_UP_STEPS = 20

const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
/** @type {{ step: number, megabytes: number }[]} */
const memory = []
let seen = 0
const result = await train(
  { data: 'fashion-mnist-mini', model: 'resnet8', batchSize: batch, budget: { steps }, out },
  {
    onStep: ({ step }) => {
      seen++
      if (step === WARM_UP_STEPS) delay.enable()
      const due = (memory.length + 1) * (steps / 10)
      if (step >= due) memory.push({ step, megabytes: process.memoryUsage.rss() / 2 ** 20 })
    },
  },
)
delay.disable()
// A timer's own millisecond is no delay.
const ms = (/** @type {number} */ ns) => Math.max(0, ns / 1e6 - RESOLUTION_MS)
say({
  seen,
  imagesPerSecond: result.imagesPerSecond,
  medianMs: ms(delay.percentile(50)),
  p99Ms: ms(delay.percentile(99)),
  maxMs: ms(delay.max),
  memory,
})
