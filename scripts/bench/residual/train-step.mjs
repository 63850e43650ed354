// residual in the cases train-*: complete training steps of a run. A unit of work is a step.

import { readConfig, serve } from './serve.mjs'
import { SteppedRun } from './stepped-run.mjs'

const run = new SteppedRun(readConfig())
await run.start()
const { precision, device, threads } = run.started?.config ?? {}
await serve({ precision, device, threads }, async (count) => ({
  items: count * run.batch,
  seconds: await run.run(count),
}))
await run.stop()
