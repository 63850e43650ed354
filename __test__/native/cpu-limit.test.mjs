// The default number of threads in a container whose CPU time is limited.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { canMount, startWithMounts } from '../../scripts/prove/private-mounts.mjs'
import { ROOT } from '../../scripts/setup.mjs'

/** Line of /proc/self/mountinfo for the control groups of a container (version 2). */
const MOUNT = '30 23 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n'

/** Shows a limit to one process, whose id the shell keeps. */
const MOUNTS = [
  'mount -t tmpfs none /sys/fs/cgroup',
  'cp "$0/cpu.max" /sys/fs/cgroup/',
  'mount --bind "$0/cgroup" /proc/$$/cgroup',
  'mount --bind "$0/mountinfo" /proc/$$/mountinfo',
].join('; ')

/**
 * Returns the default numbers of threads and workers below a limit of CPU time.
 *
 * @param {import('ava').ExecutionContext} t
 * @param {string} max contents of `cpu.max`: microseconds in each period, and the period
 */
async function defaultsWith(t, max) {
  const folder = mkdtempSync(join(tmpdir(), 'residual-cpu-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'cpu.max'), `${max}\n`)
  writeFileSync(join(folder, 'cgroup'), '0::/\n')
  writeFileSync(join(folder, 'mountinfo'), MOUNT)
  const program = [process.execPath, join(ROOT, 'dist', 'cli', 'main.js')]
  const command = [...program, 'train', 'fashion-mnist-mini', '--dry-run', '--json']
  const { stdout, stderr } = await startWithMounts(MOUNTS, folder, command).ended
  const found = ['threads', 'workers'].map((key) => new RegExp(`"${key}":(\\d+)`).exec(stdout)?.[1])
  t.true(found[0] !== undefined, stderr)
  return found.map(Number)
}

const testMounted = canMount() ? test : test.skip

testMounted('threads and workers follow the limit of a container', async (t) => {
  t.timeout(240_000)
  const [unlimited = 1] = await defaultsWith(t, 'max 100000')
  t.deepEqual(await defaultsWith(t, '100000 100000'), [1, 1])
  // A part of a core is rounded up.
  t.deepEqual(await defaultsWith(t, '50000 100000'), [1, 1])
  t.deepEqual(await defaultsWith(t, '150000 100000'), [
    Math.min(2, unlimited),
    Math.min(2, unlimited),
  ])
})
