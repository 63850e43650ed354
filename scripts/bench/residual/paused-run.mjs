// Measures the CPU use of a paused run.

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { readConfig, writeLine } from './serve.mjs'
import { SteppedRun } from './stepped-run.mjs'

const { out, pause } = readConfig()
const run = new SteppedRun({
  ...{ net: 'resnet8', stem: 'cifar', size: 32, batch: 32, steps: 100, out },
})
await run.start()
await run.run(10)
const before = process.cpuUsage()
await sleep(1000 * pause)
const { user, system } = process.cpuUsage(before)
writeLine({
  pausedShare: (user + system) / 1e6 / pause,
  libtorch: /libtorch_cpu/.test(readFileSync('/proc/self/maps', 'utf8')),
})
await run.stop()
