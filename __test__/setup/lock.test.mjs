import { existsSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { withLock } from '../../src/download/file-lock.js'

function newLock() {
  return join(mkdtempSync(join(tmpdir(), 'residual-lock-')), 'lock')
}

test('only one of three callers at a time holds the lock', async (t) => {
  const path = newLock()
  let inside = 0
  let most = 0
  const work = async () => {
    inside += 1
    most = Math.max(most, inside)
    await sleep(300)
    inside -= 1
  }
  await Promise.all([1, 2, 3].map(() => withLock(path, work, { staleAfter: 200 })))
  t.is(most, 1)
  t.false(existsSync(path))
})

test('takes over a lock without a heartbeat, and reports the wait once', async (t) => {
  const path = newLock()
  writeFileSync(path, 'a dead process')
  let waited = 0
  const result = await withLock(path, async () => 'mine', {
    staleAfter: 200,
    onWait: () => {
      waited += 1
    },
  })
  t.is(result, 'mine')
  t.is(waited, 1)
})

test('releases the lock when the work rejects', async (t) => {
  const path = newLock()
  await t.throwsAsync(
    withLock(path, async () => {
      throw new Error('failed')
    }),
    { message: 'failed' },
  )
  t.false(existsSync(path))
})
