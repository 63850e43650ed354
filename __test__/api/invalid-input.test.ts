import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect as format } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import {
  type ErrorCode,
  inspect,
  loadModel,
  ResidualError,
  type TrainConfig,
  type TrainOptions,
  train,
  type WarningEvent,
} from 'residual'
import { script } from '../child.js'
import { imageFolder, tempFolder, tinyConfig } from '../tiny.js'

/** Returns the error with which training rejects. */
async function trainError(
  t: ExecutionContext,
  config: TrainConfig,
  options?: TrainOptions,
): Promise<ResidualError> {
  const error = await t.throwsAsync(async () => await train(config, options))
  if (error instanceof ResidualError) return error
  throw new TypeError('not a ResidualError', { cause: error })
}

const invalidConfigs: [unknown, ErrorCode, string | undefined][] = [
  [{ lr: 0.1 }, 'E_UNKNOWN_KEY', 'lr'],
  [{ optimizer: { type: 'sgd', momentun: 0.9 } }, 'E_UNKNOWN_KEY', 'optimizer.momentun'],
  [{ epochs: '3' }, 'E_CONFIG', 'epochs'],
  [{ epochs: 1.5 }, 'E_CONFIG', 'epochs'],
  [{ batchSize: 0 }, 'E_CONFIG', 'batchSize'],
  [{ batchSize: -1 }, 'E_CONFIG', 'batchSize'],
  [{ batchSize: 1e300 }, 'E_CONFIG', 'batchSize'],
  [{ model: 'resnet21' }, 'E_CONFIG', 'model'],
  [{ model: ['resnet18'] }, 'E_CONFIG', 'model'],
  [{ optimizer: { type: 'sgd', lr: -0.1 } }, 'E_CONFIG', 'optimizer.lr'],
  [{ optimizer: { type: 'sgd', lr: 0 } }, 'E_CONFIG', 'optimizer.lr'],
  [{ optimizer: { type: 'sgd', lr: Number.NaN } }, 'E_CONFIG', 'optimizer.lr'],
  [{ optimizer: { type: 'sgd', lr: Infinity } }, 'E_CONFIG', 'optimizer.lr'],
  [{ optimizer: { type: 'adamm' } }, 'E_CONFIG', 'optimizer.type'],
  [{ schedule: { type: 'multistep', milestones: [1, 'x'] } }, 'E_CONFIG', 'schedule.milestones[1]'],
  [{ out: 7 }, 'E_CONFIG', 'out'],
  [{ out: '' }, 'E_CONFIG', 'out'],
  [{ out: 'a\0b' }, 'E_CONFIG', 'out'],
]

for (const [invalid, code, key] of invalidConfigs) {
  test(`rejects ${format(invalid)} without writing a file`, async (t) => {
    const config = tinyConfig(t)
    const error = await trainError(t, { ...config, ...(invalid as TrainConfig) })
    t.is(error.code, code)
    t.is(error.at.key, key)
    t.false(existsSync(config.out as string))
  })
}

for (const invalid of [undefined, null, 'fashion-mnist-mini', 3, []]) {
  test(`rejects ${JSON.stringify(invalid)} instead of a configuration`, async (t) => {
    t.is((await trainError(t, invalid as unknown as TrainConfig)).code, 'E_CONFIG')
  })
}

const invalidOptions: [unknown, ErrorCode, string][] = [
  [{ onepoch() {} }, 'E_UNKNOWN_KEY', 'onepoch'],
  [{ onEpoch: 'stop' }, 'E_USAGE', 'onEpoch'],
  [{ signal: true }, 'E_USAGE', 'signal'],
  [null, 'E_USAGE', 'options'],
]

for (const [invalid, code, key] of invalidOptions) {
  test(`rejects the options ${JSON.stringify(invalid)} with the key ${key}`, async (t) => {
    const config = tinyConfig(t)
    const error = await trainError(t, config, invalid as TrainOptions)
    t.is(error.code, code)
    t.is(error.at.key, key)
    t.false(existsSync(config.out as string))
  })
}

test('rejects unusable data with a hint', async (t) => {
  const parent = tempFolder(t)
  const empty = join(parent, 'empty')
  mkdirSync(empty)
  const one = imageFolder(join(parent, 'one'), ['only'])
  const file = join(parent, 'file')
  writeFileSync(file, 'not a data set')
  for (const [data, code] of [
    [join(parent, 'missing'), 'E_DATA_NOT_FOUND'],
    ['fashion-mnist-mimi', 'E_DATA_NOT_FOUND'],
    [empty, 'E_DATA_UNUSABLE'],
    [one, 'E_DATA_UNUSABLE'],
    [file, 'E_DATA_NOT_FOUND'],
  ] as const) {
    const config = tinyConfig(t, { data })
    const error = await trainError(t, config)
    t.is(error.code, code, data)
    t.truthy(error.at.key ?? error.at.file, data)
    t.truthy(error.hint, data)
    t.false(existsSync(config.out as string))
  }
})

test('warns about an unreadable image and continues', async (t) => {
  const photos = imageFolder(tempFolder(t), ['left', 'right'])
  const broken = join(photos, 'left', 'broken.png')
  writeFileSync(broken, 'not an image')
  const warnings: WarningEvent[] = []
  const result = await train(tinyConfig(t, { data: photos }), {
    onWarning: (warning) => void warnings.push(warning),
  })
  t.is(result.stopReason, 'completed')
  t.true(warnings.some(({ code, file }) => code === 'E_IMAGE' && file?.includes('broken.png')))
})

test('does not overwrite a run folder without overwrite', async (t) => {
  const config = tinyConfig(t, { epochs: 1 })
  await train(config)
  const before = readdirSync(config.out as string)
  const error = await trainError(t, config)
  t.is(error.code, 'E_OUT_EXISTS')
  t.truthy(error.hint)
  t.deepEqual(readdirSync(config.out as string), before)
  t.is((await train({ ...config, overwrite: true })).stopReason, 'completed')
})

test('rejects a run folder that another process writes to', async (t) => {
  const config = tinyConfig(t, { epochs: 100_000 })
  let code: string | undefined
  await script(
    `import { train } from 'residual'
     train(${JSON.stringify(config)}, { onStart() { console.log('started') } })`,
    {
      async during(child) {
        await child.waitForOutput('started')
        code = (await trainError(t, { ...config, overwrite: true })).code
        child.kill('SIGKILL')
      },
    },
  )
  t.is(code, 'E_OUT_IN_USE')
  // The lock ends with its process.
  t.is((await train({ ...config, epochs: 1, overwrite: true })).stopReason, 'completed')
})

test('reports a run folder that is not writable', async (t) => {
  const parent = tempFolder(t)
  const file = join(parent, 'file')
  writeFileSync(file, '')
  const inFile = await trainError(t, tinyConfig(t, { out: join(file, 'run') }))
  t.is(inFile.code, 'E_WRITE')
  t.truthy(inFile.hint)

  // Not writable even for root.
  const { code, at } = await trainError(t, tinyConfig(t, { out: '/proc/run' }))
  t.is(code, 'E_WRITE')
  t.truthy(at.file)
})

test('rejects resuming with another model or other data', async (t) => {
  const config = tinyConfig(t, { epochs: 1 })
  const { dir } = await train(config)
  const model = await trainError(t, { resume: dir, model: 'resnet14' })
  t.is(model.code, 'E_MISMATCH')
  t.truthy(model.hint)
  rmSync(join((config.data as { source: string }).source, 't10k-labels-idx1-ubyte'))
  const photos = imageFolder(tempFolder(t), ['left', 'right'])
  t.is((await trainError(t, { resume: dir, data: photos })).code, 'E_MISMATCH')
  t.is((await trainError(t, { resume: join(dir, 'nothing') })).code, 'E_CHECKPOINT')
})

test('rejects an unknown network and suggests the nearest name', async (t) => {
  const error = await t.throwsAsync(inspect('resnet5O'), { instanceOf: ResidualError })
  t.is(error?.code, 'E_CONFIG')
  t.is(error?.at.key, 'model')
  t.regex(error?.hint ?? '', /resnet50/)
})

test('names and paths of megabytes give short messages', async (t) => {
  const long = 'x'.repeat(4e6)
  const errors = [
    await trainError(t, { data: long }),
    await trainError(t, { data: tempFolder(t), out: long }),
    await trainError(t, tinyConfig(t, { model: long })),
    await t.throwsAsync<ResidualError>(loadModel(long)),
    await t.throwsAsync<ResidualError>(loadModel(`./${long}.pth`)),
    await t.throwsAsync<ResidualError>(inspect(long)),
  ]
  for (const error of errors) {
    const { message, hint, at } = error
    t.true([message, hint, at.file ?? '', at.key ?? ''].every(({ length }) => length < 6100))
  }
})
