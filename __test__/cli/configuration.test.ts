import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import {
  applyOverride,
  type Draft,
  isOverride,
  parseValue,
  readConfigFile,
  setKey,
} from '#dist/cli/arguments/config-arguments.js'
import { tempFolder } from '../tiny.js'

function withOverrides(draft: Draft, ...overrides: string[]): Draft {
  for (const override of overrides) applyOverride(draft, override)
  return draft
}

test('an override has the form key=value', (t) => {
  for (const word of ['seed=1', 'optimizer.lr=0.1', 'out=', 'a.b=c=d'])
    t.true(isOverride(word), word)
  for (const word of ['photos', './a=b', '/a=b', '=1', '--a=b', '__proto__.x=1', 'a..b=1']) {
    t.false(isOverride(word), word)
  }
  t.throws(() => withOverrides({}, 'photos'), { message: /not of the form key=value/ })
})

test('parses values as JSON, otherwise as text', (t) => {
  t.deepEqual(['0.05', 'true', 'null', '[1,2]', '"7"', 'resnet18', '1e', ''].map(parseValue), [
    0.05,
    true,
    null,
    [1, 2],
    '7',
    'resnet18',
    '1e',
    '',
  ])
})

test('creates objects along a path and expands shorthands', (t) => {
  t.deepEqual(withOverrides({}, 'optimizer.lr=0.1', 'optimizer.nesterov=true'), {
    optimizer: { lr: 0.1, nesterov: true },
  })
  t.deepEqual(
    withOverrides(
      { model: 'resnet18', data: './x', schedule: 'plateau' },
      'model.stem=cifar',
      'data.validation=0.2',
      'schedule.patience=3',
    ),
    {
      model: { arch: 'resnet18', stem: 'cifar' },
      data: { source: './x', validation: 0.2 },
      schedule: { type: 'plateau', patience: 3 },
    },
  )
})

test('the last of `epochs` and `budget.epochs` wins', (t) => {
  t.deepEqual(withOverrides({ epochs: 30, budget: { epochs: 30, steps: 9 } }, 'epochs=5'), {
    epochs: 5,
    budget: { steps: 9 },
  })
  t.deepEqual(withOverrides({ epochs: 30 }, 'budget.epochs=5'), { budget: { epochs: 5 } })
})

test('does not modify inherited properties', (t) => {
  const draft: Draft = {}
  setKey(draft, 'constructor.name', 'x')
  t.deepEqual(draft, { constructor: { name: 'x' } } as unknown as Draft)
  t.is(Object.name, 'Object')
})

test('a configuration file contains plain data only', (t) => {
  const file = join(tempFolder(t), 'run.yaml')
  const yaml = [
    '__proto__: { polluted: true }',
    'model: !!js/function "function () { throw 1 }"',
    'recipe: !!python/object/apply:os.system "true"',
  ]
  writeFileSync(file, yaml.join('\n'))
  const draft = readConfigFile(file)
  t.is(Object.getPrototypeOf(draft), Object.prototype)
  t.deepEqual(Object.keys(draft), ['__proto__', 'model', 'recipe'])
  t.deepEqual([draft.model, draft.recipe], ['function () { throw 1 }', 'true'])
  t.is(({} as { polluted?: boolean }).polluted, undefined)
})
