// Measures one point of the cases scaling-*: a few steps of a run, or a few epochs on a folder.
// Each point runs in a separate process, because the peak memory is measured per process.

import { readFileSync } from 'node:fs'
import { train } from '../../../dist/index.js'
import { parsePeak } from '../cpu-load.mjs'
import { readConfig, writeLine } from './serve.mjs'
import { SteppedRun } from './stepped-run.mjs'

const WARM_UP_STEPS = 6

const peak = () => parsePeak(readFileSync('/proc/self/status', 'utf8'))

const { folder, epochs, repetitions, ...network } = readConfig()
if (folder === undefined) {
  // A single epoch, so that no checkpoint is written during the measurement.
  const run = new SteppedRun({ ...network, steps: repetitions * network.steps + WARM_UP_STEPS })
  await run.start()
  // Disturbances only add time, so the minimum is the best estimate.
  const seconds = []
  for (let i = 0; i < repetitions; i++) seconds.push(await run.run(network.steps))
  writeLine({ seconds: Math.min(...seconds) / network.steps, megabytes: peak() })
  await run.stop()
} else {
  const { net, size, batch, out } = network
  /** @type {{ seconds: number, megabytes: number | undefined }[]} */
  const measured = []
  let start = performance.now()
  await train(
    {
      data: { source: folder, validation: 0, imageSize: size },
      model: { arch: net, stem: 'cifar' },
      batchSize: batch,
      epochs,
      // Cached images would make the memory depend on the data set.
      cache: 0,
      overwrite: true,
      out,
    },
    {
      onStart: () => {
        start = performance.now()
      },
      onEpoch: () => {
        measured.push({ seconds: (performance.now() - start) / 1000, megabytes: peak() })
        start = performance.now()
      },
    },
  )
  writeLine({ epochs: measured })
}
