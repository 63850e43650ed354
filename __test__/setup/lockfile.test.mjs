import { readFile } from 'node:fs/promises'
import test from 'ava'
import { missingOptionalPackages } from '../../scripts/lockfile.mjs'

test('package-lock.json contains the optional packages of all platforms, as npm ci requires', async (t) => {
  const text = await readFile(new URL('../../package-lock.json', import.meta.url), 'utf8')
  t.deepEqual(
    missingOptionalPackages(JSON.parse(text).packages),
    {},
    'run node scripts/lockfile.mjs',
  )
})

test('a missing optional package is locked for its platform only', (t) => {
  const packages = {
    'node_modules/tool': {
      dev: true,
      optionalDependencies: { 'tool-linux-x64-musl': '1.0.0', 'tool-darwin-arm64': '1.0.0' },
    },
    'node_modules/tool/node_modules/tool-darwin-arm64': { version: '1.0.0' },
  }
  t.deepEqual(missingOptionalPackages(packages), {
    'node_modules/tool-linux-x64-musl': {
      version: '1.0.0',
      os: ['linux'],
      cpu: ['x64'],
      libc: ['musl'],
      dev: true,
      optional: true,
    },
  })
})
