import { join } from 'node:path'
import { Worker } from '../worker.mjs'
import { node } from './programs.mjs'

/** @typedef {{ step: number, megabytes: number }} Memory */

/** Maximum memory growth in megabytes, which allows for garbage that is not collected yet. */
const MAX_GROWTH_MB = 10

/** @type {import('./case.mjs').Case} */
export const eventLoop = {
  name: 'event-loop',
  title: 'Event loop during training',
  about:
    'resnet8 on the included images, batch 8, with an `onStep` hook, for 10,000 steps. The delay ' +
    "is measured by perf_hooks' histogram, minus the 1 ms interval of its timer; memory growth is the " +
    'increase of the resident size from a tenth of the steps to the end.',
  measure: async ({ quick, folder }) => {
    const steps = quick ? 300 : 10_000
    const worker = new Worker(
      node('residual/event-loop', { steps, batch: 8, out: join(folder, 'event-loop') }),
    )
    const measured = await worker.readLine()
    await worker.close()
    /** @type {Memory[]} */
    const memory = measured.memory
    const [first, last] = [memory[0], memory[memory.length - 1]]
    return {
      kind: 'measurements',
      measurements: [
        { label: 'event-loop delay, median', value: measured.medianMs, unit: 'ms' },
        { label: 'event-loop delay, p99', value: measured.p99Ms, unit: 'ms', limit: 10 },
        { label: 'event-loop delay, maximum', value: measured.maxMs, unit: 'ms' },
        { label: `hook calls in ${steps} steps`, value: measured.hookCalls, unit: '' },
        { label: `memory after ${first.step} steps`, value: first.megabytes, unit: 'MB' },
        {
          ...{ label: `growth until step ${last.step}`, value: last.megabytes - first.megabytes },
          ...{ unit: 'MB', limit: MAX_GROWTH_MB },
        },
        { label: 'training speed', value: measured.imagesPerSecond, unit: 'images/s' },
      ],
    }
  },
}
