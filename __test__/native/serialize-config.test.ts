import test from 'ava'
import { ResidualError } from 'residual'
import { serializeConfig } from '#dist/native/arguments/serialize-config.js'

test('serializes plain data without undefined keys', (t) => {
  const config = { data: './x', epochs: undefined, a: [1, null, { b: true, c: undefined }] }
  t.is(serializeConfig(config), '{"data":"./x","a":[1,null,{"b":true}]}')
  t.is(serializeConfig(Object.assign(Object.create(null), { a: 1 })), '{"a":1}')
})

test('a shared object is not a cycle', (t) => {
  const shared = { lr: 1 }
  t.is(serializeConfig({ a: shared, b: shared }), '{"a":{"lr":1},"b":{"lr":1}}')
})

test('keeps a key named __proto__', (t) => {
  t.is(serializeConfig(JSON.parse('{"__proto__":{"a":1}}')), '{"__proto__":{"a":1}}')
})

const cycle: Record<string, unknown> = {}
cycle.self = { again: cycle }
let deep: unknown = 1
for (let depth = 0; depth < 10_000; depth++) deep = [deep]

const rejected: [string, unknown, string | undefined, RegExp][] = [
  ['NaN', { optimizer: { lr: Number.NaN } }, 'optimizer.lr', /finite number, not NaN/],
  ['an infinity', { a: [1, -Infinity] }, 'a[1]', /not -Infinity/],
  ['a function', { onEpoch() {} }, 'onEpoch', /plain data, not a function/],
  ['a symbol', { a: Symbol('x') }, 'a', /not a symbol/],
  ['a bigint', { seed: 1n }, 'seed', /not a bigint/],
  ['undefined in an array', { a: [undefined] }, 'a[0]', /not undefined/],
  ['a hole in an array', { a: new Array(1) }, 'a[0]', /not undefined/],
  ['a typed array', { transform: { mean: new Float32Array(3) } }, 'transform.mean', /Float32Array/],
  ['a class instance', { a: new Date() }, 'a', /an instance of Date/],
  ['a map', { a: { b: new Map() } }, 'a.b', /an instance of Map/],
  ['a lone surrogate', { out: 'runs/\ud83d' }, 'out', /valid Unicode/],
  ['a cycle', cycle, 'self.again', /a cycle/],
  ['excessive nesting', { a: deep }, `a${'[0]'.repeat(63)}`, /nested so deeply/],
  [
    'a missing configuration',
    undefined,
    undefined,
    /the configuration must be plain data, not undefined/,
  ],
]

for (const [name, value, key, message] of rejected) {
  test(`rejects ${name} with its path`, (t) => {
    const error = t.throws(() => serializeConfig(value), { instanceOf: ResidualError, message })
    t.is(error?.code, 'E_CONFIG')
    t.is(error?.at.key, key)
  })
}
