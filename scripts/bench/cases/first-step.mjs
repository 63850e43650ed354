import { join } from 'node:path'
import { measureRounds, summarize } from '../comparison.mjs'
import { node, pytorch } from './programs.mjs'
import { timeToFirstLine } from './time-to-first-line.mjs'

/** @type {import('./case.mjs').Case} */
export const firstStep = {
  name: 'first-step',
  title: 'Time from process start to the first step, ResNet-20, batch 128',
  about:
    'Time until a minimal program that trains on a folder of CIFAR files prints the loss of its ' +
    'first step. The PyTorch program uses a DataLoader with two workers.',
  measure: async ({ settings, python, cifar, folder }) => {
    const data = await cifar()
    const entries = [
      {
        ...{ key: 'pytorch-eager', label: `PyTorch, fp32, NCHW, eager, DataLoader` },
        program: pytorch(python, 'first_step', { net: 'resnet20', data }),
      },
      {
        ...{ key: 'residual', label: 'residual' },
        program: node('residual/first-step', { net: 'resnet20', data, out: join(folder, 'first') }),
      },
    ]
    const subjects = entries.map(({ key, label, program }) => ({
      ...{ key, label, name: key },
      slice: () => timeToFirstLine(program),
    }))
    settings.log('warming up the disk cache')
    for (const { slice } of subjects) await slice()
    const measured = await measureRounds(subjects, settings)
    const pair = { subject: 'residual', baseline: 'pytorch-eager', target: 0.4 }
    return summarize(subjects, [pair], measured, { unit: 's', better: 'lower' })
  },
}
