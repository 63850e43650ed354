// One point of a table of growth: a few steps of a run, or a few epochs over a folder, in a process
// of its own, whose peak memory is then that point's.

import { readFileSync } from 'node:fs'
import { train } from '../../../dist/index.js'
import { parsePeak } from '../load.mjs'
import { say, wanted } from './serve.mjs'
import { Training } from './training.mjs'

const WARM_UP_STEPS = 6

const peak = () => parsePeak(readFileSync('/proc/self/status', 'utf8'))

const { folder, epochs, times, ...network } = wanted()
if (folder === undefined) {
  // One epoch, so that no checkpoint is written meanwhile.
  const training = new Training({ ...network, steps: times * network.steps + WARM_UP_STEPS })
  await training.begin()
  // The best of a few, for a stall only ever makes it longer.
  const seconds = []
  for (let i = 0; i < times; i++) seconds.push(await training.steps(network.steps))
  say({ seconds: Math.min(...seconds) / network.steps, megabytes: peak() })
  await training.end()
} else {
  const { net, size, batch, out } = network
  /** @type {{ seconds: number, megabytes: number | undefined }[]} */
  const each = []
  let begin = performance.now()
  await train(
    {
      data: { source: folder, validation: 0, imageSize: size },
      model: { arch: net, stem: 'cifar' },
      batchSize: batch,
      epochs,
      // What is kept of images grows with them, up to what `cache` says.
      cache: 0,
      overwrite: true,
      out,
    },
    {
      onStart: () => {
        begin = performance.now()
      },
      onEpoch: () => {
        each.push({ seconds: (performance.now() - begin) / 1000, megabytes: peak() })
        begin = performance.now()
      },
    },
  )
  say({ epochs: each })
}
