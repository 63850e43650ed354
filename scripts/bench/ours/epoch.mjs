// Ours in epoch: a whole epoch of a run on CIFAR's files, with augmentation, the test of its
// accuracy and the checkpoints that it writes. A piece of work is an epoch.

import { train } from '../../../dist/index.js'
import { serve, wanted } from './serve.mjs'

const { data, validation, net, batch, out } = wanted()

/** @type {(() => void) | undefined} */
let saved
/** @type {(() => void) | undefined} */
let goOn
let images = 0

const run = train(
  {
    // What is held back is measured after the epoch, as the notebook measures its test images.
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
    // Training waits for what this gives: until the next epoch is asked for.
    onEpoch: () =>
      new Promise((resolve) => {
        goOn = () => resolve(undefined)
      }),
    onCheckpoint: ({ kind }) => {
      if (kind === 'last') saved?.()
    },
  },
)
const failed = run.then(() => Promise.reject(new Error('the run is over')))
failed.catch(() => {})

/** One epoch, from where it may begin to its checkpoint. */
function epoch() {
  const done = new Promise((resolve) => {
    saved = () => resolve(undefined)
  })
  goOn?.()
  return Promise.race([done, failed])
}

await epoch()
await serve({}, async (count) => {
  const begin = performance.now()
  for (let i = 0; i < count; i++) await epoch()
  return { items: count * images, seconds: (performance.now() - begin) / 1000 }
})
run.stop()
goOn?.()
await run
