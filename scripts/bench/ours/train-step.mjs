// Ours in train-step: whole training steps of a run. A piece of work is a step.

import { serve, wanted } from './serve.mjs'
import { Training } from './training.mjs'

const training = new Training(wanted())
await training.begin()
const { precision, device, threads } = training.started?.config ?? {}
await serve({ precision, device, threads }, async (count) => ({
  items: count * training.batch,
  seconds: await training.steps(count),
}))
await training.end()
