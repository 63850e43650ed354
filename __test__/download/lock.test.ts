import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { AbortError } from 'residual'
import { diskFailure } from '#dist/download/download-error.js'
import { withLock } from '#dist/download/lock.js'
import { folder } from '../tiny.js'

const SOON = { staleAfter: 800 }

test('one holds a lock at a time, for as long as it works', async (t) => {
  const path = join(folder(t), 'lock')
  let [holders, most] = [0, 0]
  const work = async () => {
    most = Math.max(most, ++holders)
    await sleep(1200) // longer than a lock that nobody touches lives
    holders--
  }
  await Promise.all([1, 2].map(() => withLock(path, work, SOON)))
  t.is(most, 1)
  t.false(existsSync(path))
})

test('a dead process’s lock is taken over', async (t) => {
  const path = join(folder(t), 'lock')
  writeFileSync(path, 'somebody who is no more')
  t.is(await withLock(path, async () => 'done', SOON), 'done')
  t.false(existsSync(path))
})

test('waiting for a lock ends with its signal', async (t) => {
  const path = join(folder(t), 'lock')
  writeFileSync(path, 'somebody')
  const waiting = withLock(path, async () => {}, { signal: AbortSignal.timeout(50) })
  await t.throwsAsync(waiting, { instanceOf: AbortError })
})

test('work that throws gives its lock back', async (t) => {
  const path = join(folder(t), 'lock')
  const throwing = withLock(path, async () => Promise.reject(new Error('no')), SOON)
  await t.throwsAsync(throwing, { message: 'no' })
  t.false(existsSync(path))
})

test('a full disk is told as such, and a broken connection is none', (t) => {
  const full = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', syscall: 'write' })
  const failure = diskFailure(full, '/cache/a.part')
  t.is(failure?.code, 'E_WRITE')
  t.is(failure?.message, 'no space is left for /cache/a.part')
  t.regex(failure?.hint ?? '', /RESIDUAL_CACHE/)
  const reset = Object.assign(new Error('reset'), { code: 'ECONNRESET', syscall: 'read' })
  t.is(diskFailure(reset, '/cache/a.part'), undefined)
})
