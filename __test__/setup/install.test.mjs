import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { SetupError } from '../../scripts/setup/error.mjs'
import { install } from '../../scripts/setup/libtorch/install.mjs'
import { hashFile } from '../../scripts/setup/libtorch/manifest.mjs'

/** @typedef {import('../../scripts/setup/libtorch/install.mjs').Source} Source */

const LIBRARY = join('torch', 'lib', 'libtorch_cpu.so')

function newTarget() {
  return join(mkdtempSync(join(tmpdir(), 'residual-install-')), 'libtorch', 'install')
}

/**
 * Returns a source that installs one small library, and a function that returns the number of its
 * calls.
 *
 * @param {Partial<Source>} [overrides]
 */
function fakeSource(overrides = {}) {
  let calls = 0
  /** @type {Source} */
  const source = {
    name: 'fake',
    bytesNeeded: 1,
    async unpackInto(folder) {
      calls += 1
      const path = join(folder, LIBRARY)
      mkdirSync(join(folder, 'torch', 'lib'), { recursive: true })
      mkdirSync(join(folder, 'torch', 'include'))
      writeFileSync(path, 'library')
      return {
        torch: { lib: join(folder, 'torch', 'lib'), include: join(folder, 'torch', 'include') },
        files: [{ path: LIBRARY, bytes: 7, sha256: await hashFile(path) }],
      }
    },
    ...overrides,
  }
  return { source, calls: () => calls }
}

/** @param {string} message */
function failing(message) {
  return fakeSource({
    name: `source with ${message}`,
    unpackInto: async () => {
      throw new SetupError('E_DOWNLOAD', message, { hint: `fix ${message}` })
    },
  })
}

const options = { tryLoading: async () => undefined, staleLockAfter: 200 }

test('creates the layout that tch expects, once', async (t) => {
  const target = newTarget()
  const { source, calls } = fakeSource()
  await install(target, [source], options)
  await install(target, [source], options)

  t.is(calls(), 1)
  t.is(readFileSync(join(target, 'lib', 'libtorch_cpu.so'), 'utf8'), 'library')
  t.is(readFileSync(join(target, 'lib', 'libtorch.so'), 'utf8'), 'INPUT(libtorch_cpu.so)\n')
  t.is(readFileSync(join(target, 'build-version'), 'utf8'), '2.11.0\n')
  t.true(existsSync(join(target, 'include')))
  t.deepEqual(readdirSync(join(target, '..')), ['install'])
})

test('detects a truncated library and reinstalls', async (t) => {
  const target = newTarget()
  const { source, calls } = fakeSource()
  await install(target, [source], options)
  truncateSync(join(target, LIBRARY), 3)
  await install(target, [source], options)

  t.is(calls(), 2)
  t.is(readFileSync(join(target, LIBRARY), 'utf8'), 'library')
})

test('detects a modified library of the same size when hashes are verified', async (t) => {
  const target = newTarget()
  const { source, calls } = fakeSource()
  await install(target, [source], options)
  writeFileSync(join(target, LIBRARY), 'LIBRARY')
  await install(target, [source], options)
  t.is(calls(), 1)
  await install(target, [source], { ...options, hashes: true })
  t.is(calls(), 2)
})

test('tries the next source after a failure, and reports all failures', async (t) => {
  const target = newTarget()
  const { source, calls } = fakeSource()
  await install(target, [failing('no index').source, source], options)
  t.is(calls(), 1)

  const error = await t.throwsAsync(
    install(newTarget(), [failing('no index').source, failing('no network').source], options),
    { code: 'E_DOWNLOAD', message: /no index.*no network/s },
  )
  t.regex(/** @type {SetupError} */ (error).hint, /fix no index.*fix no network/s)
})

test('does not install a libtorch that does not load', async (t) => {
  const target = newTarget()
  const unloadable = { ...options, tryLoading: async () => 'wrong ELF class' }
  await t.throwsAsync(install(target, [fakeSource().source], unloadable), {
    message: /wrong ELF class/,
  })
  t.false(existsSync(target))
})

test('checks the free disk space before downloading', async (t) => {
  const { source, calls } = fakeSource({ bytesNeeded: 2e9 })
  await t.throwsAsync(install(newTarget(), [source], { ...options, freeBytes: async () => 1e9 }), {
    code: 'E_DISK',
    message: /1\.0 GB free; libtorch needs 2\.0 GB/,
  })
  t.is(calls(), 0)
})

test('reports a cache folder that is not writable', async (t) => {
  const file = join(mkdtempSync(join(tmpdir(), 'residual-install-')), 'file')
  writeFileSync(file, '')
  await t.throwsAsync(install(join(file, 'cache', 'install'), [fakeSource().source], options), {
    code: 'E_CACHE',
    message: /file.cache is not writable/,
  })
})

test('of two concurrent setup processes, one installs and the other waits', async (t) => {
  const target = newTarget()
  const { source, calls } = fakeSource()
  await Promise.all([install(target, [source], options), install(target, [source], options)])
  t.is(calls(), 1)
})

test('a killed setup process leaves no incomplete installation', async (t) => {
  const target = newTarget()
  const script = `
    import { writeFileSync } from 'node:fs'
    import { join } from 'node:path'
    const { install } = await import(${JSON.stringify(new URL('../../scripts/setup/libtorch/install.mjs', import.meta.url).href)})
    await install(${JSON.stringify(target)}, [{
      name: 'endless',
      bytesNeeded: 1,
      async unpackInto(folder, { downloads }) {
        writeFileSync(join(folder, 'half'), 'half')
        writeFileSync(join(downloads, 'half'), 'half')
        console.log('half written')
        await new Promise((resolve) => setTimeout(resolve, 60_000))
      },
    }], { staleLockAfter: 200 })
  `
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.false(existsSync(target))

  /** @type {string[]} */
  let downloads = []
  const { source } = fakeSource()
  await install(
    target,
    [
      {
        ...source,
        unpackInto: (folder, places) => {
          downloads = readdirSync(places.downloads)
          return source.unpackInto(folder, places)
        },
      },
    ],
    options,
  )
  t.deepEqual(downloads, ['half'], 'completed downloads are reused')
  t.deepEqual(readdirSync(join(target, '..')), ['install'])
})
