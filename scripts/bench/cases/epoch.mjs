import { join } from 'node:path'
import { NOTEBOOK, TRAINING, tryAll } from '../candidates.mjs'
import { contest } from '../contest.mjs'
import { CIFAR_HELD, CIFAR_IMAGES } from '../data.mjs'
import { node, pytorch } from './programs.mjs'

const NETWORK = { net: 'resnet20', stem: 'cifar', batch: 128 }

/** @type {import('./case.mjs').Case} */
export const epoch = {
  name: 'epoch',
  title: 'A whole epoch, ResNet-20, batch 128',
  about:
    `${CIFAR_IMAGES} training images of 32 x 32: read, augmented (pad, crop, mirror), normalised, ` +
    `trained on; then ${CIFAR_HELD} held back are evaluated and a checkpoint is written. The ` +
    "notebook's way is a DataLoader with two workers on Pillow images; the best PyTorch keeps bytes " +
    'in memory and augments them a batch at a time.',
  measure: async ({ game, python, choices, cifar, folder }) => {
    const data = await cifar()
    const theirs = (/** @type {Record<string, unknown>} */ options) =>
      pytorch(python, 'epoch', { ...NETWORK, data, folder, validation: CIFAR_HELD, ...options })
    const choice = await choices.get('train-resnet20', () =>
      tryAll(
        TRAINING,
        (options) => pytorch(python, 'train_step', { ...NETWORK, size: 32, ...options }),
        game,
      ),
    )
    // A last batch of another size, and evaluation, would be compiled anew.
    const { compile: _, ...options } = choice.options
    const label = choice.chosen.replace(', torch.compile', '')
    const result = await contest(
      [
        {
          ...{ key: 'notebook', label: `PyTorch, ${NOTEBOOK.name}, DataLoader` },
          program: theirs({ ...NOTEBOOK.options, way: 'notebook' }),
        },
        {
          ...{ key: 'best', label: `PyTorch, ${label}, images in memory` },
          program: theirs({ ...options, way: 'memory' }),
        },
        {
          ...{ key: 'ours', label: 'residual' },
          program: node('ours/epoch', {
            ...{ ...NETWORK, data, validation: CIFAR_HELD, out: join(folder, 'epoch') },
          }),
        },
      ],
      [
        { ours: 'ours', against: 'notebook', aim: 2.5 },
        { ours: 'ours', against: 'best' },
      ],
      game,
      { most: 1 },
    )
    return result
  },
}
