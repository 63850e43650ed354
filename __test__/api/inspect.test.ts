import test from 'ava'
import { datasets, inspect } from 'residual'

test('parameters and multiply-adds match the paper', async (t) => {
  const cifar = await inspect({ model: 'resnet20', imageSize: 32, channels: 3, classes: 10 })
  t.is(cifar.parameters, 269_722)
  t.deepEqual(cifar.input, [3, 32, 32])
  const imagenet = await inspect('resnet50')
  t.is(imagenet.parameters, 25_557_032)
  t.is(Math.round(imagenet.macs / 1e8), 41)
  t.is(imagenet.layers[0]?.name, 'conv1')
  t.deepEqual(imagenet.layers[0]?.output, [64, 112, 112])
  t.is(
    imagenet.layers.reduce((sum, layer) => sum + layer.parameters, 0),
    imagenet.parameters,
  )
})

test('lists every named data set', async (t) => {
  const sets = await datasets()
  t.deepEqual(
    sets.map(({ name }) => name),
    ['cifar10', 'cifar100', 'mnist', 'fashion-mnist', 'fashion-mnist-mini'],
  )
  const mini = sets.at(-1)
  t.like(mini, { classes: 10, train: 12_000, test: 2_000, channels: 1, imageSize: 28 })
  t.is(mini?.downloadBytes, 0)
  t.regex(mini?.folder ?? '', /fashion-mnist-mini$/)
})

test('lists the layers as PyTorch does', async (t) => {
  const { tree, text, table } = await inspect('vgg16_bn')
  t.true(
    tree.startsWith('VGG(\n  (features): Sequential(\n    (0): Conv2d(3, 64, kernel_size=(3, 3)'),
  )
  t.true(tree.includes('    (5): Dropout(p=0.5, inplace=False)\n'))
  const line = text.split('\n').find((line) => line.includes('(features): Sequential('))
  t.truthy(line)
  t.regex(table, /^features\.1 +BatchNorm2d, ReLU +64 x 224 x 224 +128 +$/m)
})
