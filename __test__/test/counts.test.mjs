import test from 'ava'
import { countTests } from '../../scripts/test/counts.mjs'

/**
 * @param {number} status
 * @param {string} [stdout]
 * @param {string} [stderr]
 */
const result = (status, stdout = '', stderr = '') => ({ status, stdout, stderr })

test('a command without a runner counts as one test', (t) => {
  t.deepEqual(countTests(result(0)), { passed: 1, failed: 0, skipped: 0 })
  t.deepEqual(countTests(result(1)), { passed: 0, failed: 1, skipped: 0 })
})

test('reads the summary of nextest, with and without colors', (t) => {
  const summary =
    '\x1b[31;1m     Summary\x1b[0m [   3.1s] 9/12 tests run: 6 passed (1 slow), 1 failed, 2 timed out, 3 skipped'
  t.deepEqual(countTests(result(100, '', summary), 'nextest'), {
    passed: 6,
    failed: 3,
    skipped: 3,
  })
  const one = ' Summary [   0.2s] 1 test run: 1 passed, 0 skipped'
  t.deepEqual(countTests(result(0, '', one), 'nextest'), { passed: 1, failed: 0, skipped: 0 })
})

test('adds up the test binaries of cargo test', (t) => {
  const output = `
test result: ok. 7 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
`
  t.deepEqual(countTests(result(101, output), 'cargoTest'), { passed: 9, failed: 3, skipped: 1 })
})

test('reads the totals of TAP output', (t) => {
  const output = 'TAP version 13\nok 1 - a\n\n1..4\n# tests 4\n# pass 2\n# skip 1\n# fail 1\n'
  t.deepEqual(countTests(result(1, output), 'tap'), { passed: 2, failed: 1, skipped: 1 })
})

test('a crash and a failure without a failed test count as failed', (t) => {
  const failed = { passed: 0, failed: 1, skipped: 0 }
  t.deepEqual(countTests(result(139, 'TAP version 13\nok 1 - a\n'), 'tap'), failed)
  t.deepEqual(countTests(result(101, '', 'error: could not compile'), 'nextest'), failed)
  t.deepEqual(countTests(result(0, ''), 'cargoTest'), failed)
  const crashed = 'test result: ok. 5 passed; 0 failed; 0 ignored\n'
  t.deepEqual(countTests(result(101, crashed), 'cargoTest'), { passed: 5, failed: 1, skipped: 0 })
})
