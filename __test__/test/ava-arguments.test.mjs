import test from 'ava'
import { avaArguments } from '../../scripts/test/ava-arguments.mjs'

test('a TypeScript test runs from its compiled file; folder and extension are optional', (t) => {
  for (const name of ['__test__/api/run.test.ts', './__test__/api/run.test.ts', 'api/run']) {
    t.is(avaArguments([name])[0], 'target/ava/__test__/api/run.test.js')
  }
})

test('a JavaScript test runs from its source', (t) => {
  t.deepEqual(avaArguments(['__test__/setup/lock.test.mjs']), ['__test__/setup/lock.test.mjs'])
})

test('a folder selects all tests in it', (t) => {
  const args = avaArguments(['__test__/cli/'])
  t.true(args.includes('target/ava/__test__/cli/**/*.test.js'))
  t.true(args.includes('__test__/cli/**/*.test.mjs'))
})

test('options are passed on to ava', (t) => {
  const args = avaArguments(['api/run', '--match', '*signal*', '--serial'])
  t.deepEqual(args.slice(-3), ['--match', '*signal*', '--serial'])
  t.deepEqual(avaArguments(['--tap']), ['--tap'])
})
