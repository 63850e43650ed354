import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { dependenciesInstalled } from '../../scripts/setup/dependencies.mjs'

const A = { 'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' } }
const OPTIONAL = { 'node_modules/b': { version: '1.0.0', integrity: 'sha512-b', optional: true } }
const ROOT = { '': { version: '0.1.0' } }

/**
 * @param {object} locked
 * @param {object} [installed]
 */
function cloneWith(locked, installed) {
  const root = mkdtempSync(join(tmpdir(), 'residual-dependencies-'))
  writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: locked }))
  mkdirSync(join(root, 'node_modules'))
  if (installed !== undefined) {
    const record = join(root, 'node_modules', '.package-lock.json')
    writeFileSync(record, JSON.stringify({ packages: installed }))
  }
  return root
}

test('detects a complete install, without optional packages of other platforms', async (t) => {
  t.true(await dependenciesInstalled(cloneWith({ ...ROOT, ...A, ...OPTIONAL }, A)))
})

test('detects interrupted, incomplete and outdated installs', async (t) => {
  t.false(await dependenciesInstalled(cloneWith({ ...ROOT, ...A })))
  t.false(await dependenciesInstalled(cloneWith({ ...ROOT, ...A }, {})))
  const outdated = { 'node_modules/a': { version: '0.9.0', integrity: 'sha512-old' } }
  t.false(await dependenciesInstalled(cloneWith({ ...ROOT, ...A }, outdated)))
})
