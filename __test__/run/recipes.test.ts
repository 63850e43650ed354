import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { inspect, ResidualError, recipes, type TrainConfig, train } from 'residual'
import { applyRecipe } from '#dist/api/run/recipes.js'
import { imageFolder, tempFolder, tinyConfig } from '../tiny.js'

function merge(config: TrainConfig): TrainConfig {
  return JSON.parse(applyRecipe(JSON.stringify(config)))
}

/** Returns whether `object` contains all values of `subset`. */
function containsAll(object: unknown, subset: unknown): boolean {
  if (typeof subset !== 'object' || subset === null) return subset === object
  if (typeof object !== 'object' || object === null) return false
  return Object.entries(subset).every(([key, value]) =>
    containsAll((object as Record<string, unknown>)[key], value),
  )
}

test('every recipe names its source and published result', async (t) => {
  const list = await recipes()
  t.deepEqual(
    list.map((recipe) => recipe.name),
    ['fast', 'he2015-cifar', 'he2015-cifar110', 'he2015-imagenet', 'notebook'],
  )
  for (const { name, description, source, published, config } of list) {
    t.true(
      [description, source, published].every((text) => text.length > 10),
      name,
    )
    await t.notThrowsAsync(inspect({ model: config.model ?? 'resnet20' }), name)
  }
})

test('a run uses the values of its recipe', async (t) => {
  for (const { name, config } of await recipes()) {
    // Reduces the size of the run and overrides nothing else.
    const { out, data, threads, workers, precision } = tinyConfig(t)
    const small = {
      ...{ out, threads, workers, precision, recipe: name, model: 'resnet8', batchSize: 12 },
      budget: { steps: 1, epochs: null },
      data: { ...(data as { source: string }), imageSize: 32 },
    }
    if (name === 'he2015-imagenet') {
      // The color augmentation of this recipe requires RGB images.
      small.data.source = imageFolder(tempFolder(t), ['left', 'right'])
      Object.assign(small.data, { imageSize: 64, channels: 3 })
    }
    if (config.transform?.pixelMean) small.data.imageSize = 8
    const { dir } = await train(small as unknown as TrainConfig)
    const resolved = JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8'))
    const { data: _, model: __, budget: ___, epochs: ____, batchSize: _____, ...unchanged } = config
    t.true(containsAll(resolved, unchanged), `${name}: ${JSON.stringify(unchanged)}`)
    t.is(resolved.recipe, name)
  }
})

test('the configuration overrides the recipe', (t) => {
  const notebook = merge({ recipe: 'notebook' })
  const { optimizer, schedule, data, model, epochs } = merge({
    ...{ recipe: 'notebook', data: 'cifar10', model: { shortcut: 'C' }, epochs: 2 },
    optimizer: { type: 'sgd', lr: 0.05 },
    schedule: 'cosine',
  })
  t.deepEqual(optimizer, { ...(notebook.optimizer as object), type: 'sgd', lr: 0.05 })
  // A schedule of another type replaces the recipe's schedule.
  t.deepEqual(schedule, { type: 'cosine' })
  t.deepEqual(data, { source: 'cifar10', validation: 0 })
  t.deepEqual(model, { arch: 'resnet34', stem: 'cifar', shortcut: 'C' })
  t.is(epochs, 2)
})

test('epochs and budget.epochs override each other', (t) => {
  t.is(merge({ recipe: 'notebook', budget: { epochs: 1 } }).epochs, undefined)
  t.deepEqual(merge({ recipe: 'notebook', budget: { epochs: 1 } }).budget, { epochs: 1 })
})

test('a recipe may be a file, whose path config.json does not contain', (t) => {
  const file = join(tempFolder(t), 'mine.yaml')
  writeFileSync(file, 'description: mine\nepochs: 3\noptimizer: { type: adamw, lr: 1e-3 }\n')
  t.deepEqual(merge({ recipe: file }), { epochs: 3, optimizer: { type: 'adamw', lr: 1e-3 } })
  writeFileSync(file, 'epochs: [')
  t.throws(() => merge({ recipe: file }), { instanceOf: ResidualError, message: /could not be/ })
})

test('rejects an unknown recipe and suggests the nearest name, or lists all names', async (t) => {
  for (const [recipe, hint] of [
    ['notbook', /^Did you mean .*notebook/],
    ['transformer', /he2015-cifar, .*notebook/],
  ] as const) {
    const error = await t.throwsAsync(async () => train({ ...tinyConfig(t), recipe }), {
      instanceOf: ResidualError,
    })
    t.is(error?.code, 'E_CONFIG')
    t.is(error?.at.key, 'recipe')
    t.regex(error?.hint ?? '', hint)
  }
})
