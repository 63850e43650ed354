import test from 'ava'
import { findCommandProblem, findExitProblem, Outcomes } from '../../scripts/prove/outcomes.mjs'

const ENDED = { status: 0, signal: null, stdout: '', stderr: '' }

test('a crash, a hang, a stack trace and another status are problems', (t) => {
  t.is(findExitProblem(ENDED), undefined)
  t.is(findExitProblem({ ...ENDED, status: 7 }, [7]), undefined)
  t.regex(
    `${findExitProblem({ ...ENDED, status: null, signal: 'SIGSEGV' })}`,
    /crashed with SIGSEGV/,
  )
  t.regex(`${findExitProblem({ ...ENDED, status: 139 })}`, /crashed/)
  t.is(findExitProblem({ ...ENDED, status: null, signal: 'SIGKILL' }), 'did not end in time')
  t.regex(`${findExitProblem({ ...ENDED, stderr: 'Error\n    at f (a.js:1)' })}`, /stack trace/)
  t.regex(`${findExitProblem({ ...ENDED, status: 3 })}`, /status 3/)
})

test('a command may fail with an expected code', (t) => {
  const failed = {
    ...ENDED,
    status: 1,
    stderr: 'error: the disk is full (E_WRITE)\n  Free space.\n',
  }
  t.is(findCommandProblem(failed, ['E_WRITE']), undefined)
  t.regex(`${findCommandProblem(failed, ['E_MEMORY'])}`, /reports E_WRITE/)
  t.regex(`${findCommandProblem({ ...failed, stderr: 'no' }, ['E_WRITE'])}`, /reports undefined/)
})

test('outcomes count attempts by group, and an error is a failure', async (t) => {
  const outcomes = new Outcomes()
  outcomes.add('a', 'first', undefined)
  await outcomes.attempt('a', 'second', () => Promise.reject(new Error('mine')))
  outcomes.add('b', 'third', undefined)
  const result = outcomes.toResult({ fault: 'a fault', attempts: 1, detected: 1 })
  t.is(result.attempts, 3)
  t.is(result.upheld, 2)
  t.deepEqual(result.failures, ['a, second: mine'])
  t.deepEqual(result.measurements, [
    { label: 'a', value: 2 },
    { label: 'b', value: 1 },
  ])
})
