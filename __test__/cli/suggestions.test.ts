import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { plan, type TrainConfig } from 'residual'
import { residual } from '../child.js'
import { idxData, tempFolder, tinyConfig } from '../tiny.js'

const MINI = 'fashion-mnist-mini'

test('every command suggests the nearest key, value or name', async (t) => {
  const cases: [string, RegExp][] = [
    [`train ${MINI} optimiser.lr=1`, /Did you mean `optimizer`\?/],
    [`train ${MINI} optimizer.momentun=1`, /Did you mean `optimizer\.momentum=1`\?/],
    [`train ${MINI} precision=bf61`, /Did you mean `precision=bf16`\?/],
    [`train ${MINI} model.arch=resnt18`, /Did you mean `model\.arch=resnet18`\?/],
    [`train ${MINI} --recipe notebok`, /Did you mean `--recipe notebook`\?/],
    ['train cifar1O', /Did you mean 'cifar10'\?/],
    [`train ${MINI} batchSze=2 --dry-run`, /Did you mean `batchSize=2`\?/],
    [`find-lr ${MINI} optimiser.lr=1`, /Did you mean `optimizer`\?/],
    [`experiment repeat ${MINI} optimiser.lr=1`, /Did you mean `optimizer`\?/],
    ['bench resnet8 batchSze=2', /Did you mean `batchSize=2`\?/],
    ['inspect resnet18 imageSzie=32', /Did you mean `imageSize=32`\?/],
    ['inspect ./weights.pth imageSzie=32', /Did you mean `imageSize=32`\?/],
    ['eval x imageSzie=32', /Did you mean `imageSize=32`\?/],
    ['predict x y.jpg imageSzie=32', /Did you mean `imageSize=32`\?/],
    [`data preview ${MINI} transfrom.flip=true`, /Did you mean `transform`\?/],
    [`data preview ${MINI} data.limt=3`, /Did you mean `data\.limit=3`\?/],
    ['data download cifar1O', /Did you mean 'cifar10'\?/],
  ]
  const results = await Promise.all(cases.map(([words]) => residual(words.split(' '))))
  for (const [index, [words, message]] of cases.entries()) {
    const { status, stderr } = results[index] ?? {}
    t.true(status === 2 || status === 4, `${words}: ${status}`)
    t.regex(stderr ?? '', message, words)
  }
})

test('a configuration file may contain $schema', async (t) => {
  const parent = tempFolder(t)
  const $schema = './node_modules/residual/config.schema.json'
  const json = join(parent, 'run.json')
  writeFileSync(json, JSON.stringify({ $schema, model: 'resnet8', epochs: 1 }))
  const yaml = join(parent, 'run.yaml')
  writeFileSync(yaml, `# yaml-language-server: $schema=${$schema}\nmodel: resnet8\nepochs: 1\n`)
  const data = idxData(parent)
  for (const file of [json, yaml]) {
    const { status, stdout, stderr } = await residual([
      ...['train', data, '--config', file, '--dry-run', '--json', 'threads=1', 'workers=1'],
    ])
    t.is(status, 0, stderr)
    t.like(JSON.parse(stdout).config, { model: { arch: 'resnet8' }, epochs: 1 })
  }
  const config = { ...tinyConfig(t), $schema } as TrainConfig
  t.is((await plan(config, { measure: false })).config.model.arch, 'resnet8')
})

test('rejects a YAML file with exponential aliases', async (t) => {
  const file = join(tempFolder(t), 'bomb.yaml')
  const level = (name: string, inner: string) => `${name}: &${name} [${Array(9).fill(inner)}]`
  const levels = 'bcdefghi'.split('').map((name, index) => level(name, `*${'abcdefgh'[index]}`))
  writeFileSync(file, ['a: &a [x]', ...levels].join('\n'))
  const { status, stderr } = await residual(['train', MINI, '--config', file])
  t.is(status, 2)
  t.regex(stderr, /alias.*\(E_CONFIG\)/i)
})

test('rejects a configuration file that is larger than 128 KiB without parsing it', async (t) => {
  const file = join(tempFolder(t), 'large.yaml')
  writeFileSync(file, `# ${'x'.repeat(128 * 2 ** 10)}\nepochs: 1\n`)
  for (const path of process.platform === 'win32' ? [file] : [file, '/dev/zero']) {
    const config = await residual(['train', MINI, '--config', path])
    t.is(config.status, 2)
    t.regex(config.stderr, /the file is larger than 128 KiB/)
  }
  const recipe = await residual(['train', MINI, '--recipe', file])
  t.is(recipe.status, 2)
  t.regex(recipe.stderr, /the file is larger than 128 KiB.*\(E_CONFIG\)/)
})
