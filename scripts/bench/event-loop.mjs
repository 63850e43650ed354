// How long JavaScript waits while a network trains, and whether memory grows.
//
//   node scripts/bench/event-loop.mjs [--steps 1000]
//
// Trains resnet8 on the embedded images with a hook on every step. Prints the event loop's delay
// (perf_hooks' histogram, 1 ms resolution; a timer's own millisecond is taken off) and the
// process's memory after a tenth of the steps and at the end, and writes both to
// runs/bench/event-loop.json.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { train } from '../../dist/bindings/ts/index.js'
import { ROOT, runScript } from '../setup.mjs'

const RESOLUTION_MS = 1

await runScript(import.meta.url, async () => {
  const { values } = parseArgs({ options: { steps: { type: 'string', default: '1000' } } })
  const steps = Number(values.steps)
  const folder = await mkdtemp(join(tmpdir(), 'residual-bench-'))
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  /** @type {{ step: number, megabytes: number }[]} */
  const memory = []
  let seen = 0
  const measure = (/** @type {number} */ step) => {
    memory.push({ step, megabytes: Math.round(process.memoryUsage.rss() / 2 ** 20) })
  }
  const run = train(
    {
      data: 'fashion-mnist-mini',
      model: 'resnet8',
      batchSize: 32,
      budget: { steps },
      out: join(folder, 'run'),
    },
    {
      onStep: ({ step }) => {
        seen++
        // What comes before is loading and warming up.
        if (step === 10) delay.enable()
        if (step % Math.ceil(steps / 10) === 0) measure(step)
      },
    },
  )
  try {
    const { imagesPerSecond } = await run
    delay.disable()
    const ms = (/** @type {number} */ ns) => Math.max(0, ns / 1e6 - RESOLUTION_MS)
    const result = {
      steps,
      hooksCalled: seen,
      imagesPerSecond,
      delayMs: {
        median: ms(delay.percentile(50)),
        p99: ms(delay.percentile(99)),
        max: ms(delay.max),
      },
      memory,
    }
    await mkdir(join(ROOT, 'runs', 'bench'), { recursive: true })
    const text = JSON.stringify(result, null, 1)
    await writeFile(join(ROOT, 'runs', 'bench', 'event-loop.json'), `${text}\n`)
    process.stdout.write(`${text}\n`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
