import { join } from 'node:path'
import { compareThroughput } from '../comparison.mjs'
import { EAGER, selectFastest, TRAINING_CONFIGS } from '../pytorch-configs.mjs'
import { CIFAR_TRAIN_IMAGES, CIFAR_VALIDATION_IMAGES } from '../synthetic-data.mjs'
import { node, pytorch } from './programs.mjs'

const NETWORK = { net: 'resnet20', stem: 'cifar', batch: 128 }

/** @type {import('./case.mjs').Case} */
export const epoch = {
  name: 'epoch',
  title: 'Training epoch, ResNet-20, batch 128',
  about:
    `${CIFAR_TRAIN_IMAGES} training images of 32 x 32 are loaded, augmented (padding, crop, flip), ` +
    `normalized and trained on; then ${CIFAR_VALIDATION_IMAGES} validation images are evaluated and a ` +
    'checkpoint is written. PyTorch eager uses a DataLoader with two workers on Pillow images; the ' +
    'best PyTorch keeps the images in memory and augments them in batches.',
  measure: async ({ settings, python, choices, cifar, folder }) => {
    const data = await cifar()
    const validation = CIFAR_VALIDATION_IMAGES
    const program = (/** @type {Record<string, unknown>} */ options) =>
      pytorch(python, 'epoch', { ...NETWORK, data, folder, validation, ...options })
    const choice = await choices.get('train-resnet20', () =>
      selectFastest(
        TRAINING_CONFIGS,
        (options) => pytorch(python, 'train_step', { ...NETWORK, size: 32, ...options }),
        settings,
      ),
    )
    // torch.compile would compile again for the smaller last batch and for evaluation.
    const { compile: _, ...options } = choice.options
    const label = choice.chosen.replace(', torch.compile', '')
    return await compareThroughput(
      [
        {
          ...{ key: 'pytorch-eager', label: `PyTorch, ${EAGER.name}, DataLoader` },
          program: program({ ...EAGER.options, pipeline: 'dataloader' }),
        },
        {
          ...{ key: 'pytorch-best', label: `PyTorch, ${label}, images in memory` },
          program: program({ ...options, pipeline: 'memory' }),
        },
        {
          ...{ key: 'residual', label: 'residual' },
          program: node('residual/epoch', {
            ...{ ...NETWORK, data, validation, out: join(folder, 'epoch') },
          }),
        },
      ],
      [
        { subject: 'residual', baseline: 'pytorch-eager', target: 2.5 },
        { subject: 'residual', baseline: 'pytorch-best' },
      ],
      settings,
      { maxCount: 1 },
    )
  },
}
