import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { type Evaluation, type Prediction, train } from 'residual'
import { residual } from '../../child.js'
import { imageFolder, tempFolder, tinyConfig } from '../../tiny.js'

test('eval and predict print text and JSON', async (t) => {
  const parent = tempFolder(t)
  const photos = imageFolder(parent, ['left', 'middle', 'right'])
  const { dir } = await train(tinyConfig(t, { data: { source: photos, validation: 0.25 } }))

  const text = await residual(['eval', dir])
  t.is(text.status, 0, text.stderr)
  t.regex(text.stdout, /^middle +\d+\.\d % +\d+\.\d % +\d\.\d{3} +\d$/m)
  t.true(text.stdout.startsWith(`validation split of ${photos}: 6 images\n`), text.stdout)
  t.regex(text.stdout, /^accuracy \d+\.\d %, loss \d\.\d{4}, expected calibration error/m)
  t.regex(text.stdout, /^95 % confidence interval \d+\.\d to \d+\.\d %$/m)
  t.regex(text.stdout, /lways predicting the most frequent class would reach 33\.3 %\.$/m)
  const json = await residual(['eval', dir, photos, '--split', 'train', '--json'])
  const evaluation: Evaluation = JSON.parse(json.stdout)
  t.is(evaluation.classes.length, 3)
  t.deepEqual(evaluation.data, { source: photos, split: 'train' })

  for (const crops of [['ten'], ['multi-scale', '--scales', '16,24']]) {
    const averaged = await residual(['eval', dir, '--json', '--crops', ...crops])
    t.is(averaged.status, 0, averaged.stderr)
    t.not((JSON.parse(averaged.stdout) as Evaluation).loss, evaluation.loss)
  }
  const rejected = await residual(['eval', dir, '--scales', '16'])
  t.is(rejected.status, 2)
  t.regex(rejected.stderr, /`scales` must be omitted unless `crops` is 'multi-scale'/)

  const image = join(photos, 'left', '0.png')
  const other = join(photos, 'right', '0.png')
  const table = await residual(['predict', dir, image, other])
  t.is(table.status, 0, table.stderr)
  t.deepEqual(
    table.stdout.split('\n').map((line) => line.split(/ +/)[0]),
    ['image', image, other, ''],
  )
  const lines = await residual(['predict', dir, image, other, '--json', '--top', '2'])
  const predictions: (Prediction & { image: string })[] = lines.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.deepEqual(
    predictions.map(({ image, top }) => [image, top.length]),
    [
      [image, 2],
      [other, 2],
    ],
  )

  const broken = join(parent, 'broken.png')
  writeFileSync(broken, 'no picture')
  const partial = await residual(['predict', dir, broken, image])
  t.is(partial.status, 4)
  t.regex(partial.stderr, /broken\.png/)
  t.true(partial.stdout.includes(image))
})

test('eval says that a network is not above guessing, and suggests next steps', async (t) => {
  const parent = tempFolder(t)
  const photos = imageFolder(parent, ['left', 'middle', 'right'])
  const data = { source: photos, validation: 0.25 }
  const { dir } = await train(tinyConfig(t, { data, optimizer: { type: 'sgd', lr: 1e-9 } }))
  const { status, stdout, stderr } = await residual(['eval', dir, photos, '--split', 'train'])
  t.is(status, 0, stderr)
  t.regex(
    stdout,
    /from guessing: always predicting the most frequent class would reach 33\.3 %\.$/m,
  )
  t.regex(
    stdout,
    /^suggested next steps\n( {2}.*\n)* {2}Find a learning rate: (npx )?residual find-lr \S*photos\.$/m,
  )
})

test('eval draws samples and highest losses, and warns of unreadable images', async (t) => {
  const parent = tempFolder(t)
  const photos = imageFolder(parent, ['left', 'middle', 'right'])
  const { dir } = await train(
    tinyConfig(t, { data: { source: photos, validation: 0.25 }, epochs: 1 }),
  )
  writeFileSync(
    join(photos, 'left', '3.png'),
    readFileSync(join(photos, 'left', '3.png')).subarray(0, 60),
  )

  const [samples, worst] = [join(parent, 'samples.svg'), join(parent, 'worst.png')]
  const drawing = ['--samples', samples, '--top-losses', worst, '--grid-size', '100']
  const { status, stdout, stderr } = await residual([
    'eval',
    dir,
    photos,
    '--split',
    'train',
    '--json',
    ...drawing,
  ])
  t.is(status, 0, stderr)
  const evaluation: Evaluation = JSON.parse(stdout)
  t.is(evaluation.broken, 1)
  // 24 images without the quarter for validation and the unreadable one.
  t.is(evaluation.count, 17)
  t.regex(stderr, /^warning: .*3\.png.*skipped$/m)
  t.is(evaluation.samples.length, 17)
  t.is(evaluation.topLosses.length, 17)
  t.notRegex(stdout, /base64/)
  const svg = readFileSync(samples, 'utf8')
  t.is(svg.match(/<image /g)?.length, 17)
  t.regex(svg, /accuracy \d+\.\d % \(17 images\)/)
  t.is(readFileSync(worst).toString('latin1', 1, 4), 'PNG')

  const rejected = await residual(['eval', dir, '--samples', join(parent, 'x.gif')])
  t.is(rejected.status, 2)
  t.regex(rejected.stderr, /\.svg or \.png/)
  t.false(existsSync(join(parent, 'x.gif')))
})

test('export writes ONNX and safetensors without loading libtorch', async (t) => {
  const { dir } = await train(tinyConfig(t, { epochs: 1 }))
  for (const name of ['x.safetensors', 'x.onnx']) {
    const file = join(dir, name)
    const env = { LD_DEBUG: 'files' }
    const { status, stdout, stderr } = await residual(['export', dir, file], { env })
    t.is(status, 0, stderr)
    t.is(stdout, `${file}\n`)
    t.true(existsSync(file))
    t.notRegex(stderr, /libtorch|libc10/)
  }
  const rejected = await residual(['export', dir, join(dir, 'x.safetensors'), '--softmax'])
  t.is(rejected.status, 2)
  t.regex(rejected.stderr, /\.onnx/)
})

test('inspect prints the layers without loading libtorch', async (t) => {
  const env = { LD_DEBUG: 'files' }
  const words = ['inspect', 'resnet20', 'classes=3']
  const summary = await residual(words)
  t.regex(summary.stdout, /^layer2 +3 blocks +32 x 16 x 16 +51,072 +13\.0 M/m)
  t.regex(summary.stdout, /^269,267 parameters \(1\.1 MB in float32\), 40\.6 M multiply-adds/m)
  const { status, stdout, stderr } = await residual([...words, '--tree'], { env })
  t.is(status, 0)
  t.regex(stdout, /^ +16 x 32 x 32 +432 +442,368 +\(conv1\): Conv2d\(3, 16, kernel_size=\(3, 3\)/m)
  t.regex(stdout, /resnet20 .* 3 classes/)
  t.regex(stderr, /residual\.node/)
  t.notRegex(stderr, /libtorch|libc10/)

  const table = await residual(['inspect', 'resnet20', '--table'])
  t.regex(table.stdout, /^conv1 +Conv2d 3x3 +16 x 32 x 32/m)

  const json = await residual(['inspect', 'resnet18', '--json', 'model.stem=cifar', 'imageSize=32'])
  t.deepEqual(JSON.parse(json.stdout).layers[0].output, [64, 32, 32])
})
