// residual in the case epoch: complete epochs on CIFAR files, with augmentation, validation and
// checkpoints. A unit of work is an epoch.

import { train } from '../../../dist/index.js'
import { readConfig, serve } from './serve.mjs'

const { data, validation, net, batch, out } = readConfig()

/** @type {(() => void) | undefined} */
let onSaved
/** @type {(() => void) | undefined} */
let startNextEpoch
let images = 0

const run = train(
  {
    data: { source: data, validation },
    model: { arch: net, stem: 'cifar' },
    batchSize: batch,
    epochs: 1000,
    optimizer: { type: 'sgd', lr: 0.1, momentum: 0.9, weightDecay: 5e-4 },
    schedule: 'constant',
    overwrite: true,
    out,
  },
  {
    onStart: ({ trainImages }) => {
      images = trainImages
    },
    // Training waits for the returned promise, which settles when the next epoch is requested.
    onEpoch: () =>
      new Promise((resolve) => {
        startNextEpoch = () => resolve(undefined)
      }),
    onCheckpoint: ({ kind }) => {
      if (kind === 'last') onSaved?.()
    },
  },
)
const failure = run.then(() => Promise.reject(new Error('the run ended')))
failure.catch(() => {})

/** Runs one epoch, including its checkpoint. */
function epoch() {
  const saved = new Promise((resolve) => {
    onSaved = () => resolve(undefined)
  })
  startNextEpoch?.()
  return Promise.race([saved, failure])
}

await epoch()
await serve({}, async (count) => {
  const start = performance.now()
  for (let i = 0; i < count; i++) await epoch()
  return { items: count * images, seconds: (performance.now() - start) / 1000 }
})
run.stop()
startNextEpoch?.()
await run
