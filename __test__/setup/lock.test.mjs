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
  let holders = 0
  let maxHolders = 0
  const work = async () => {
    holders += 1
    maxHolders = Math.max(maxHolders, holders)
    await sleep(300)
    holders -= 1
  }
  await Promise.all([1, 2, 3].map(() => withLock(path, work, { staleAfter: 200 })))
  t.is(maxHolders, 1)
  t.false(existsSync(path))
})

test('takes over a lock without a heartbeat, and reports the wait once', async (t) => {
  const path = newLock()
  writeFileSync(path, 'a dead process')
  let numWaits = 0
  const result = await withLock(path, async () => 'mine', {
    staleAfter: 200,
    onWait: () => {
      numWaits += 1
    },
  })
  t.is(result, 'mine')
  t.is(numWaits, 1)
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
