/**
 * Pretrained weights through the public API. Published weights files are outside the repository, in
 * the folder `RESIDUAL_TEST_DATA`, by default `../shared/data`. Tests whose files are missing are
 * skipped.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { evaluate, loadModel, type ResidualError, train, type WarningEvent } from 'residual'
import { ROOT, residual } from '../child.js'
import { imageFolder, tempFolder, tinyConfig } from '../tiny.js'

const DATA = process.env.RESIDUAL_TEST_DATA ?? join(ROOT, '..', 'shared', 'data')
const RESNET20 = join(DATA, 'resnet20-akamaster', 'resnet20-12fca82f.th')
const CIFAR = join(DATA, 'cifar-10-batches-bin')
const HYMENOPTERA = join(DATA, 'hymenoptera.tar')
const FIXTURES = join(ROOT, 'crates', 'weights', 'tests', 'fixtures')

type Body = (t: ExecutionContext) => Promise<void>

function testOn(files: string[], title: string, body: Body): void {
  const missing = files.find((file) => !existsSync(file))
  if (missing === undefined) test(title, body)
  else test.skip(`${title} (${missing} is missing: set RESIDUAL_TEST_DATA)`, body)
}

testOn(
  [RESNET20, CIFAR],
  "akamaster's ResNet-20 classifies 932 of 1,017 images correctly",
  async (t) => {
    const { accuracy, count, classes } = await evaluate(RESNET20, { data: CIFAR, split: 'test' })
    t.is(count, 1017)
    t.is(Math.round(accuracy * count), 932)
    t.is(classes[0]?.label, 'airplane')
  },
)

testOn([RESNET20], 'reports the assumptions about weights without metadata', async (t) => {
  await using model = await loadModel(RESNET20)
  t.is(model.info.arch, 'resnet20')
  t.is(model.info.classes[3], 'cat')
  t.true(model.info.assumed.some((sentence) => sentence.includes('akamaster')))
})

testOn(
  [HYMENOPTERA, CIFAR],
  'fine-tunes a CIFAR checkpoint and PyTorch weights on photos with a new classification head',
  async (t) => {
    const parent = tempFolder(t)
    const untar = spawnSync('tar', ['-xf', HYMENOPTERA, '-C', parent])
    t.is(untar.status, 0, String(untar.stderr))
    const found = spawnSync('find', [parent, '-type', 'd', '-name', 'train'], { encoding: 'utf8' })
    const photos = join(found.stdout.trim(), '..')
    const short = { batchSize: 32, budget: { steps: 2 }, precision: 'fp32', seed: 1 } as const
    const first = await train({
      ...short,
      data: CIFAR,
      model: 'resnet8',
      out: join(parent, 'cifar'),
    })
    for (const [weights, classes] of [
      [first.dir, 10],
      [join(FIXTURES, 'zip.pth'), 4],
    ] as const) {
      const out = join(parent, `from-${classes}`)
      const { status, stdout, stderr } = await residual([
        ...['train', photos, `model.weights=${weights}`, `out=${out}`, 'budget.steps=2'],
        ...['batchSize=32', 'precision=fp32', '--json'],
      ])
      t.is(status, 0, stderr)
      const events = stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line))
      const warnings: WarningEvent[] = events.filter(({ type }) => type === 'warning')
      const expected = `the classifier head is initialized at random: ${classes} -> 2 classes`
      t.true(warnings.some(({ message }) => message === expected))
      t.is(events[0].config.model.arch, 'resnet8')
      t.is(events[0].config.data.imageSize, 32)
      t.is(events.at(-1).result.stopReason, 'budget')
    }
  },
)

test('the command line prints assumed values and accepts settings instead', async (t) => {
  const parent = tempFolder(t)
  const photos = imageFolder(parent, ['a', 'b', 'c', 'd'])
  const weights = join(FIXTURES, 'notebook.pth')
  const evaluation = await residual(['eval', weights, photos, 'imageSize=8', '--json'])
  t.is(evaluation.status, 0, evaluation.stderr)
  t.regex(evaluation.stderr, /^assumed: the network is resnet8 .* \(the notebook\)$/m)
  t.deepEqual(
    JSON.parse(evaluation.stdout).classes.map(({ label }: { label: string }) => label),
    ['a', 'b', 'c', 'd'],
  )
  const image = join(photos, 'a', '0.png')
  const options = ['classes=["p","q","r","s"]', 'imageSize=8', '--json']
  const predicted = await residual(['predict', weights, image, ...options])
  t.is(predicted.status, 0, predicted.stderr)
  t.true('pqrs'.includes(JSON.parse(predicted.stdout).label))
  const withoutData = await residual(['eval', weights])
  t.is(withoutData.status, 2)
  t.regex(withoutData.stderr, /have no record of their training data/)
})

test('rejects a pickle that contains a function call without executing it', async (t) => {
  const parent = tempFolder(t)
  const marker = join(parent, 'executed')
  const file = join(parent, 'weights.pth')
  writeFileSync(file, `cos\nsystem\n(Vtouch ${marker}\ntR.`)
  const error = await t.throwsAsync<ResidualError>(loadModel(file))
  t.is(error.code, 'E_CHECKPOINT')
  t.regex(error.message, /contains no state_dict: it is a call of os\.system/)
  t.false(existsSync(marker))
  const script = await t.throwsAsync<ResidualError>(loadModel(join(FIXTURES, 'torchscript.pt')))
  t.regex(script.message, /TorchScript/)
  t.regex(script.hint ?? '', /torch\.jit\.load/)
})

test('initial weights must exist and match the network', async (t) => {
  const config = tinyConfig(t, { model: { arch: 'resnet14', weights: join(FIXTURES, 'zip.pth') } })
  const mismatch = await t.throwsAsync<ResidualError>(async () => await train(config))
  t.is(mismatch.code, 'E_MISMATCH')
  t.regex(mismatch.message, /missing keys: layer1\.1\.conv1\.weight/)
  const tiny = await t.throwsAsync<ResidualError>(
    async () => await train({ ...config, model: { arch: 'resnet20', weights: 'imagenet' } }),
  )
  t.regex(tiny.message, /there are no ImageNet weights for 'resnet20'/)
})

test('downloads and verifies published weights; the error names the path for a manual copy', async (t) => {
  const cache = tempFolder(t)
  const requested: string[] = []
  const server = createServer((request, response) => {
    requested.push(String(request.url))
    response.end('other content')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const photos = imageFolder(tempFolder(t), ['a', 'b'])
  const args = ['train', photos, 'model.weights=imagenet', `out=${join(cache, 'run')}`]
  const env = {
    ...{ RESIDUAL_CACHE: cache, RESIDUAL_OFFLINE: '' },
    RESIDUAL_MIRROR: `http://127.0.0.1:${port}`,
  }
  const { status, stderr } = await residual(args, { env })
  t.not(status, 0)
  t.deepEqual([...new Set(requested)], ['/weights/resnet18-f37072fd.pth'])
  t.true(stderr.includes(join(cache, 'weights', 'resnet18-f37072fd.pth')), stderr)
  t.regex(stderr, /f37072fd/)
  t.false(existsSync(join(cache, 'run')))
  // The learning rate range test loads weights as a run does.
  requested.length = 0
  const range = await residual(['find-lr', photos, 'model.weights=imagenet'], { env })
  t.not(range.status, 0)
  t.deepEqual([...new Set(requested)], ['/weights/resnet18-f37072fd.pth'])
})
