/** config.schema.json accepts what `train()` and the command line accept. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import test from 'ava'
import { plan, type TrainConfig, train } from 'residual'
import { parse } from 'yaml'
import { ROOT } from '../child.js'
import { tinyConfig } from '../tiny.js'

const ajv = new Ajv2020({ strict: false, validateFormats: false })
const schema = JSON.parse(readFileSync(join(ROOT, 'config.schema.json'), 'utf8'))
const isConfig = ajv.compile(schema)

test('the schema accepts recipe files and the config.json of a run', async (t) => {
  const recipes = join(ROOT, 'recipes')
  for (const name of readdirSync(recipes)) {
    const recipe = parse(readFileSync(join(recipes, name), 'utf8'))
    t.true(isConfig({ $schema: './config.schema.json', ...recipe }), name)
  }
  const { dir } = await train(tinyConfig(t, { epochs: 1 }))
  const config = JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8'))
  t.true(isConfig(config), JSON.stringify(isConfig.errors))
  t.false(isConfig({ ...config, batch_size: 8 }))
})

test('the schema accepts the short forms that the loader accepts', async (t) => {
  const shortForms: TrainConfig[] = [
    { optimizer: { lr: 0.05 } },
    { optimizer: 'adamw' },
    { schedule: { minLr: 0.001 } },
    { schedule: 'constant' },
    { transform: { crop: 'none', mix: 'mixup', policy: { type: 'trivialaugment' } } },
    { warmup: { epochs: 0.5 }, loss: { classWeights: 'balanced' } },
  ]
  for (const config of shortForms) {
    t.true(isConfig(config), JSON.stringify(config))
    await t.notThrowsAsync(plan({ ...tinyConfig(t), ...config }, { measure: false }))
  }
})
