import { join } from 'node:path'
import { compareThroughput } from '../comparison.mjs'
import { EAGER, selectFastest, TRAINING_CONFIGS } from '../pytorch-configs.mjs'
import { node, pytorch } from './programs.mjs'

/** @typedef {import('./case.mjs').Case} Case */

/**
 * @typedef {object} Network
 * @property {string} net
 * @property {string} title
 * @property {'cifar' | 'imagenet'} stem
 * @property {number} size
 * @property {number} batch
 * @property {number} steps steps per epoch of residual: about as many as a slice runs
 * @property {{ eager: number, best: number }} targets
 */

/** @type {readonly Network[]} */
const NETWORKS = [
  {
    ...{ net: 'resnet20', title: 'ResNet-20, batch 128', stem: 'cifar', size: 32, batch: 128 },
    ...{ steps: 60, targets: { eager: 2.3, best: 1.25 } },
  },
  {
    ...{ net: 'resnet18', title: 'CIFAR ResNet-18, batch 128', stem: 'cifar', size: 32 },
    ...{ batch: 128, steps: 24, targets: { eager: 2.0, best: 1.0 } },
  },
  {
    ...{ net: 'resnet50', title: 'ResNet-50 at 224, batch 16', stem: 'imagenet', size: 224 },
    // Few steps, because residual keeps the images of an epoch in memory, but PyTorch only a batch.
    ...{ batch: 16, steps: 12, targets: { eager: 1.8, best: 1.0 } },
  },
]

/** @type {readonly Case[]} */
export const trainStep = NETWORKS.map(({ title, steps, targets, ...network }) => {
  const name = `train-${network.net}`
  return {
    name,
    title: `Training step, ${title}`,
    about:
      'Forward pass, cross-entropy, backward pass, optimizer step and reading the loss, on ' +
      'images in memory. residual runs `train()` with default settings, including hooks and data loader.',
    measure: async ({ settings, python, choices, folder }) => {
      const program = (/** @type {Record<string, unknown>} */ options) =>
        pytorch(python, 'train_step', { ...network, ...options })
      const choice = await choices.get(name, () =>
        selectFastest(TRAINING_CONFIGS, program, settings),
      )
      const result = await compareThroughput(
        [
          {
            ...{ key: 'pytorch-eager', label: `PyTorch, ${EAGER.name}` },
            program: program(EAGER.options),
          },
          {
            ...{ key: 'pytorch-best', label: `PyTorch, ${choice.chosen}` },
            program: program(choice.options),
          },
          {
            ...{ key: 'residual', label: 'residual' },
            program: node('residual/train-step', { ...network, steps, out: join(folder, name) }),
          },
        ],
        [
          { subject: 'residual', baseline: 'pytorch-eager', target: targets.eager },
          { subject: 'residual', baseline: 'pytorch-best', target: targets.best },
        ],
        settings,
      )
      return { ...result, choice }
    },
  }
})
