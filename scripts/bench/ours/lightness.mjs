// What importing costs, and what a paused run does.

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { say, wanted } from './serve.mjs'
import { Training } from './training.mjs'

const { out, pause } = wanted()
const training = new Training({
  ...{ net: 'resnet8', stem: 'cifar', size: 32, batch: 32, steps: 100, out },
})
await training.begin()
await training.steps(10)
const before = process.cpuUsage()
await sleep(1000 * pause)
const { user, system } = process.cpuUsage(before)
say({
  pausedShare: (user + system) / 1e6 / pause,
  libtorch: /libtorch_cpu/.test(readFileSync('/proc/self/maps', 'utf8')),
})
await training.end()
