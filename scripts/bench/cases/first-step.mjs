import { join } from 'node:path'
import { play, summarize } from '../contest.mjs'
import { watchLoad } from '../load.mjs'
import { Peer } from '../peer.mjs'
import { node, pytorch } from './programs.mjs'

/** @typedef {import('../stall.mjs').Slice} Slice */

/** @type {import('./case.mjs').Case} */
export const firstStep = {
  name: 'first-step',
  title: 'From process start to first step, ResNet-20, batch 128',
  about:
    'As short a program as trains on a folder of CIFAR files, until it says the loss of its first ' +
    "step. Python's has the notebook's DataLoader with two workers.",
  measure: async ({ game, python, cifar, folder }) => {
    const data = await cifar()
    const entries = [
      {
        ...{ key: 'notebook', label: `PyTorch, fp32, NCHW, eager, DataLoader` },
        program: pytorch(python, 'first_step', { net: 'resnet20', data }),
      },
      {
        ...{ key: 'ours', label: 'residual' },
        program: node('ours/first-step', { net: 'resnet20', data, out: join(folder, 'first') }),
      },
    ]
    const contenders = entries.map(({ key, label, program }) => ({
      ...{ key, label, name: key },
      slice: () => start(program),
    }))
    game.log('warming up the disk cache')
    for (const { slice } of contenders) await slice()
    const played = await play(contenders, game)
    const pair = { ours: 'ours', against: 'notebook', aim: 0.4 }
    return summarize(contenders, [pair], played, { unit: 's', better: 'lower' })
  },
}

/**
 * @param {import('../peer.mjs').Program} program
 * @returns {Promise<Slice>}
 */
async function start(program) {
  const begin = performance.now()
  const peer = new Peer(program)
  const load = watchLoad(/** @type {number} */ (peer.child.pid))
  try {
    await peer.read()
    return { items: 1, seconds: (performance.now() - begin) / 1000, load: load() }
  } finally {
    await peer.close()
  }
}
