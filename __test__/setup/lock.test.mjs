import { existsSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { withLock } from '../../scripts/setup/lock.mjs'

function newLock() {
  return join(mkdtempSync(join(tmpdir(), 'residual-lock-')), 'lock')
}

test('only one holds the lock at a time, however long it works', async (t) => {
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

test('a lock that nobody touches any more is taken over', async (t) => {
  const path = newLock()
  writeFileSync(path, 'the dead')
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

test('the lock is free again after work that failed', async (t) => {
  const path = newLock()
  await t.throwsAsync(
    withLock(path, async () => {
      throw new Error('failed')
    }),
    { message: 'failed' },
  )
  t.false(existsSync(path))
})
