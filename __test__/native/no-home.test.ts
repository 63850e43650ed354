import { spawnSync } from 'node:child_process'
import test from 'ava'
import { ROOT } from '../child.js'
import { tinyConfig } from '../tiny.js'

/** Makes `os.homedir()` fail, as it does without HOME and without an entry in /etc/passwd. */
const WITHOUT_HOME = `
  import os from 'node:os'
  import { syncBuiltinESMExports } from 'node:module'
  os.homedir = () => { throw new Error('ENOENT: no such file or directory, uv_os_homedir') }
  syncBuiltinESMExports()
`

/** Makes the process run under a user id without an entry in /etc/passwd. */
const UNKNOWN_USER = 'process.setgid(54321); process.setuid(54321)'

function runWithoutHome(prepare: string, source: string) {
  const { HOME: _, XDG_CACHE_HOME: __, RESIDUAL_CACHE: ___, ...env } = process.env
  const main = `
    ${prepare}
    const residual = await import('residual')
    ${source}
  `
  return spawnSync(process.execPath, ['--input-type=module', '--eval', main], {
    cwd: ROOT,
    env,
    encoding: 'utf8',
  })
}

test('without a home folder, a run trains and only a download fails', (t) => {
  const { stdout, stderr, status } = runWithoutHome(
    WITHOUT_HOME,
    `
      const { stopReason } = await residual.train(${JSON.stringify(tinyConfig(t, { epochs: 1 }))})
      const error = await residual.downloadDataset('cifar10').catch((error) => error)
      const { checks } = await residual.doctor()
      const cache = checks.find(({ name }) => name === 'cache')
      console.log(stopReason, error.code, error.message, cache.status)
    `,
  )
  t.is(status, 0, stderr)
  t.is(
    stdout,
    "completed E_WRITE 'cifar10' cannot be downloaded: this user has no home folder for the cache warn\n",
  )
})

const asRoot = process.getuid?.() === 0 ? test : test.skip
asRoot('a user without an entry in /etc/passwd can import the package', (t) => {
  const { stdout, stderr, status } = runWithoutHome(
    UNKNOWN_USER,
    `
      const { classes, folder } = (await residual.datasets()).find(({ name }) => name === 'fashion-mnist-mini')
      console.log(classes, folder !== null, (await residual.inspect('resnet18')).parameters)
    `,
  )
  t.is(status, 0, stderr)
  t.is(stdout, '10 true 11689512\n')
})
