import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { AbortError } from 'residual'
import { throwIfAborted, toWriteError } from '#dist/download/download-error.js'
import { withLock } from '#dist/download/file-lock.js'
import { tempFolder } from '../tiny.js'

const FAST = { staleAfter: 800 }

test('only one caller at a time holds a lock, also for longer than staleAfter', async (t) => {
  const path = join(tempFolder(t), 'lock')
  let [holders, maxHolders] = [0, 0]
  const work = async () => {
    maxHolders = Math.max(maxHolders, ++holders)
    await sleep(1200) // longer than staleAfter
    holders--
  }
  await Promise.all([1, 2].map(() => withLock(path, work, FAST)))
  t.is(maxHolders, 1)
  t.false(existsSync(path))
})

test('takes over the lock of a dead process', async (t) => {
  const path = join(tempFolder(t), 'lock')
  writeFileSync(path, 'a dead process')
  t.is(await withLock(path, async () => 'done', FAST), 'done')
  t.false(existsSync(path))
})

test('waiting for a lock ends when its signal is aborted', async (t) => {
  const path = join(tempFolder(t), 'lock')
  writeFileSync(path, 'another process')
  const signal = AbortSignal.timeout(50)
  const waiting = withLock(path, async () => {}, { checkAborted: () => throwIfAborted(signal) })
  await t.throwsAsync(waiting, { instanceOf: AbortError })
})

test('releases the lock when the work throws an error', async (t) => {
  const path = join(tempFolder(t), 'lock')
  const throwing = withLock(path, async () => Promise.reject(new Error('no')), FAST)
  await t.throwsAsync(throwing, { message: 'no' })
  t.false(existsSync(path))
})

test('toWriteError converts file system errors, but no network errors', (t) => {
  const full = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', syscall: 'write' })
  const error = toWriteError(full, '/cache/a.part')
  t.is(error?.code, 'E_WRITE')
  t.is(error?.message, 'no space is left on the disk of /cache/a.part')
  t.regex(error?.hint ?? '', /RESIDUAL_CACHE/)
  const reset = Object.assign(new Error('reset'), { code: 'ECONNRESET', syscall: 'read' })
  t.is(toWriteError(reset, '/cache/a.part'), undefined)
})
