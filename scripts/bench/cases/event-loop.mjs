import { join } from 'node:path'
import { Peer } from '../peer.mjs'
import { node } from './programs.mjs'

/** @typedef {{ step: number, megabytes: number }} Memory */

/** @type {import('./case.mjs').Case} */
export const eventLoop = {
  name: 'event-loop',
  title: 'What JavaScript feels while a network trains',
  about:
    'resnet8 on the embedded images, batch 8, a hook on every step, for 10,000 steps. The delay is ' +
    "that of perf_hooks' histogram, less its timer's own millisecond; growth is that of the resident " +
    'size from a tenth of the steps to the end.',
  measure: async ({ quick, folder }) => {
    const steps = quick ? 300 : 10_000
    const peer = new Peer(
      node('ours/event-loop', { steps, batch: 8, out: join(folder, 'event-loop') }),
    )
    const said = await peer.read()
    await peer.close()
    /** @type {Memory[]} */
    const memory = said.memory
    const [early, late] = [memory[0], memory[memory.length - 1]]
    return {
      kind: 'figures',
      figures: [
        { label: 'event-loop delay, median', value: said.medianMs, unit: 'ms' },
        { label: 'event-loop delay, p99', value: said.p99Ms, unit: 'ms', most: 10 },
        { label: 'event-loop delay, most', value: said.maxMs, unit: 'ms' },
        { label: `hooks called, of ${steps} steps`, value: said.seen, unit: '' },
        { label: `memory after ${early.step} steps`, value: early.megabytes, unit: 'MB' },
        {
          ...{ label: `growth by step ${late.step}`, value: late.megabytes - early.megabytes },
          ...{ unit: 'MB', most: GROWTH_MB },
        },
        { label: 'training meanwhile', value: said.imagesPerSecond, unit: 'images/s' },
      ],
    }
  },
}

/** What a garbage-collected heap does by itself. */
const GROWTH_MB = 10
