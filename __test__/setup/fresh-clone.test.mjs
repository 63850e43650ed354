import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'

// These scripts run set-up, which installs the npm packages.
const SCRIPTS = ['setup', 'build', 'demo', 'test', 'check', 'pack', 'test-rust', 'test-ts']

test('the scripts that run set-up load in a clone without npm packages', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'residual-fresh-clone-'))
  t.teardown(() => rmSync(root, { recursive: true }))
  for (const name of ['scripts', 'src', 'package.json']) {
    cpSync(name, join(root, name), { recursive: true })
  }
  const source = SCRIPTS.map((name) => `await import('./scripts/${name}.mjs')`).join('\n')
  const args = ['--input-type=module', '--eval', source]
  await t.notThrowsAsync(promisify(execFile)(process.execPath, args, { cwd: root }))
})
