import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { type ArrayDataset, loadModel, ResidualError, type TrainConfig, train } from 'residual'
import { arraySplit, tinyConfig } from '../tiny.js'

const ARRAYS: ArrayDataset = {
  train: arraySplit(96),
  test: arraySplit(24),
  classes: ['top', 'middle', 'bottom'],
}

/** Returns the configuration without `data`. */
function withoutData(config: TrainConfig): TrainConfig {
  const { data: _, ...rest } = config
  return rest
}

test.serial(
  'trains on in-memory images, and records their shape and hash in config.json',
  async (t) => {
    const config = withoutData(tinyConfig(t))
    const { dir, best, test: testMetrics } = await train(config, { arrays: ARRAYS })
    const recorded = JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8'))
    t.deepEqual(recorded.data.shape, [96, 8, 8, 1])
    t.regex(recorded.data.fingerprint, /^[0-9a-f]{32}$/)
    t.is(recorded.data.source, 'arrays')

    await using model = await loadModel(best?.checkpoint ?? '')
    t.deepEqual([...model.info.classes], ['top', 'middle', 'bottom'])
    const { classes: _, ...withoutClasses } = ARRAYS
    const evaluation = await model.evaluate({ split: 'test' }, { arrays: withoutClasses })
    t.is(evaluation.accuracy, testMetrics?.accuracy ?? 0)
    t.is(evaluation.count, 24)
    const missing = await t.throwsAsync(() => model.evaluate(), { instanceOf: ResidualError })
    t.is(missing?.code, 'E_DATA_NOT_FOUND')

    // config.json reproduces the run, but only with identical images.
    const out = join(dir, '..', 'repeated')
    const repeated = await train({ ...recorded, out }, { arrays: ARRAYS })
    t.is(repeated.best?.loss, best?.loss)
    const different = { ...ARRAYS, train: arraySplit(93) }
    const error = await t.throwsAsync(async () => await train(recorded, { arrays: different }))
    t.is((error as ResidualError).code, 'E_MISMATCH')
  },
)

test.serial('labels may be any integer array', async (t) => {
  const losses = new Set<number | undefined>()
  const { labels } = arraySplit(96)
  const types = [Uint16Array, Uint32Array, Int32Array].map((type) => new type(labels))
  for (const variant of [labels, ...types, [...labels]]) {
    const arrays = { train: { ...arraySplit(96), labels: variant } }
    const config = { ...withoutData(tinyConfig(t)), budget: { steps: 1 } }
    losses.add((await train({ ...config, epochs: undefined }, { arrays })).best?.loss)
  }
  t.is(losses.size, 1)
  t.false(losses.has(undefined))
})

const rejected: [string, unknown, string][] = [
  ['a number', 7, 'arrays'],
  ['a missing training split', {}, 'arrays.train'],
  ['a misspelled split', { ...ARRAYS, valid: arraySplit(3) }, 'arrays.valid'],
  ['a misspelled key', { train: { ...arraySplit(3), label: [] } }, 'arrays.train.label'],
  [
    'floating-point pixels',
    { train: { ...arraySplit(3), images: new Float32Array(192) } },
    'arrays.train.images',
  ],
  [
    'too few bytes',
    { train: { ...arraySplit(3), images: new Uint8Array(191) } },
    'arrays.train.images',
  ],
  [
    'a negative label',
    { train: { ...arraySplit(3), labels: [0, 1, -1] } },
    'arrays.train.labels[2]',
  ],
  [
    'a fractional label',
    { train: { ...arraySplit(3), labels: [0, 1.5, 1] } },
    'arrays.train.labels[1]',
  ],
  ['labels as text', { train: { ...arraySplit(3), labels: '012' } }, 'arrays.train.labels'],
  [
    'a label without class',
    { train: arraySplit(3), classes: ['a', 'b'] },
    'arrays.train.labels[2]',
  ],
  [
    'a class without name',
    { train: arraySplit(3), classes: ['a', undefined, 'c'] },
    'arrays.classes[1]',
  ],
  ['four channels', { train: { ...arraySplit(3), channels: 4 } }, 'arrays.train.channels'],
  ['a width of zero', { train: { ...arraySplit(3), width: 0 } }, 'arrays.train.width'],
  [
    'splits of different sizes',
    { train: arraySplit(3), val: { ...arraySplit(3), width: 4, height: 16 } },
    'arrays.val.width',
  ],
]

for (const [name, arrays, key] of rejected) {
  test(`${name} in arrays is rejected with its key`, async (t) => {
    const config = withoutData(tinyConfig(t))
    const error = await t.throwsAsync(
      async () => await train(config, { arrays: arrays as ArrayDataset }),
      {
        instanceOf: ResidualError,
      },
    )
    t.is(error?.at.key, key)
    t.true(['E_USAGE', 'E_UNKNOWN_KEY'].includes(error?.code ?? ''))
  })
}

test('arrays and data are mutually exclusive', async (t) => {
  const error = await t.throwsAsync(async () => await train(tinyConfig(t), { arrays: ARRAYS }), {
    instanceOf: ResidualError,
  })
  t.is(error?.code, 'E_CONFIG')
  t.is(error?.at.key, 'data')
})
