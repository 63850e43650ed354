import { join } from 'node:path'
import test from 'ava'
import { residual } from '../../child.js'
import { idxData, tempFolder } from '../../tiny.js'

test('lists recipes with their published results', async (t) => {
  const { status, stdout } = await residual(['recipes'])
  t.is(status, 0)
  t.regex(stdout, /^notebook\n.*\n {2}source: .*\n {2}published: 90 %/m)
  const { stdout: json } = await residual(['recipes', '--json'])
  t.is(JSON.parse(json).length, 5)
})

test('flags and overrides take precedence over a recipe', async (t) => {
  const parent = tempFolder(t)
  const { status, stdout, stderr } = await residual([
    ...['train', idxData(parent), '--recipe', 'notebook', '--model', 'resnet8', '--json'],
    ...['--out', join(parent, 'run'), 'budget.steps=1', 'batchSize=12', 'threads=1', 'workers=1'],
    ...['optimizer.lr=0.05', 'precision=fp32'],
  ])
  t.is(status, 0, stderr)
  const { config } = JSON.parse(stdout.split('\n', 1)[0] ?? '')
  t.is(config.optimizer.lr, 0.05)
  t.is(config.optimizer.weightDecay, 5e-4)
  t.is(config.schedule.type, 'plateau')
  t.is(config.model.arch, 'resnet8')
  t.is(config.data.validation, 0)
})
