import { join } from 'node:path'
import { NOTEBOOK, TRAINING, tryAll } from '../candidates.mjs'
import { contest } from '../contest.mjs'
import { node, pytorch } from './programs.mjs'

/** @typedef {import('./case.mjs').Case} Case */

/**
 * @typedef {object} Net
 * @property {string} net
 * @property {string} title
 * @property {'cifar' | 'imagenet'} stem
 * @property {number} size
 * @property {number} batch
 * @property {number} steps in an epoch of ours: about as many as a slice and its repeats need
 * @property {{ notebook: number, best: number }} aims
 */

/** @type {readonly Net[]} */
const NETS = [
  {
    ...{ net: 'resnet20', title: 'ResNet-20, batch 128', stem: 'cifar', size: 32, batch: 128 },
    ...{ steps: 60, aims: { notebook: 2.3, best: 1.25 } },
  },
  {
    ...{ net: 'resnet18', title: 'CIFAR ResNet-18, batch 128', stem: 'cifar', size: 32 },
    ...{ batch: 128, steps: 24, aims: { notebook: 2.0, best: 1.0 } },
  },
  {
    ...{ net: 'resnet50', title: 'ResNet-50 at 224, batch 16', stem: 'imagenet', size: 224 },
    // Photographs are large, and ours holds all of an epoch, where the peers hold a batch.
    ...{ batch: 16, steps: 12, aims: { notebook: 1.8, best: 1.0 } },
  },
]

/** @type {readonly Case[]} */
export const trainStep = NETS.map(({ title, steps, aims, ...network }) => {
  const name = `train-${network.net}`
  return {
    name,
    title: `Training step, ${title}`,
    about:
      'Forward, cross-entropy, backward, update, reading the loss; images are in memory. Ours is ' +
      '`train()` as it comes, its hooks and its loader included.',
    measure: async ({ game, python, choices, folder }) => {
      const theirs = (/** @type {Record<string, unknown>} */ options) =>
        pytorch(python, 'train_step', { ...network, ...options })
      const choice = await choices.get(name, () => tryAll(TRAINING, theirs, game))
      const result = await contest(
        [
          {
            ...{ key: 'notebook', label: `PyTorch, ${NOTEBOOK.name}` },
            program: theirs(NOTEBOOK.options),
          },
          {
            ...{ key: 'best', label: `PyTorch, ${choice.chosen}` },
            program: theirs(choice.options),
          },
          {
            ...{ key: 'ours', label: 'residual' },
            program: node('ours/train-step', { ...network, steps, out: join(folder, name) }),
          },
        ],
        [
          { ours: 'ours', against: 'notebook', aim: aims.notebook },
          { ours: 'ours', against: 'best', aim: aims.best },
        ],
        game,
      )
      return { ...result, choice }
    },
  }
})
