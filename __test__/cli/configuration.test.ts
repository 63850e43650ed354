import test from 'ava'
import {
  applyOverride,
  type Draft,
  isOverride,
  parseValue,
  setKey,
} from '#dist/cli/arguments/config-arguments.js'

function applied(draft: Draft, ...settings: string[]): Draft {
  for (const setting of settings) applyOverride(draft, setting)
  return draft
}

test('a setting is a key, an equals sign and a value', (t) => {
  for (const word of ['seed=1', 'optimizer.lr=0.1', 'out=', 'a.b=c=d'])
    t.true(isOverride(word), word)
  for (const word of ['photos', './a=b', '/a=b', '=1', '--a=b', '__proto__.x=1', 'a..b=1']) {
    t.false(isOverride(word), word)
  }
  t.throws(() => applied({}, 'photos'), { message: /no setting/ })
})

test('values are JSON, or else text', (t) => {
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

test('a path makes the objects on its way and a word becomes the object it stands for', (t) => {
  t.deepEqual(applied({}, 'optimizer.lr=0.1', 'optimizer.nesterov=true'), {
    optimizer: { lr: 0.1, nesterov: true },
  })
  t.deepEqual(
    applied(
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

test('of the two names for the number of epochs the one set last counts', (t) => {
  t.deepEqual(applied({ epochs: 30, budget: { epochs: 30, steps: 9 } }, 'epochs=5'), {
    epochs: 5,
    budget: { steps: 9 },
  })
  t.deepEqual(applied({ epochs: 30 }, 'budget.epochs=5'), { budget: { epochs: 5 } })
})

test('a key that every object has is made, not found', (t) => {
  const draft: Draft = {}
  setKey(draft, 'constructor.name', 'x')
  t.deepEqual(draft, { constructor: { name: 'x' } } as unknown as Draft)
  t.is(Object.name, 'Object')
})
