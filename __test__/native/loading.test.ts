import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test from 'ava'
import { ResidualError } from 'residual'
import { coreAddon, torchAddon } from '#dist/native/addon.js'
import { unwrapResult } from '#dist/native/native-result.js'
import { currentPlatform } from '#dist/native/platform.js'
import { node, ROOT, script } from '../child.js'
import { tempFolder, tinyConfig } from '../tiny.js'

const PLATFORM = join(ROOT, 'bindings', 'npm', currentPlatform())
const LIBTORCH = join(ROOT, 'bindings', 'npm', 'libtorch-linux-x64', 'lib')

/** Returns the file names of the native libraries that a program loads. */
async function loadedLibraries(program: string): Promise<string[]> {
  const { stdout, stderr } = await script(`
    import { readFileSync } from 'node:fs'
    ${program}
    const maps = readFileSync('/proc/self/maps', 'utf8')
    console.log(JSON.stringify([...new Set(maps.match(/[^/\\s]+\\.(?:node|so)\\b/g))]))
  `)
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout)
}

test('importing the package loads no native library', async (t) => {
  const loaded = await loadedLibraries("import 'residual'")
  t.deepEqual(
    loaded.filter((name) => /residual|torch/.test(name)),
    [],
  )
})

test('importing the package loads neither http, tls nor child_process', async (t) => {
  const { stdout, stderr } = await script(`
    import 'residual'
    const loaded = process.moduleLoadList.filter((name) => /NativeModule (http|tls|child_process)$/.test(name))
    console.log(JSON.stringify(loaded))
  `)
  t.is(stderr, '')
  t.is(stdout, '[]\n')
})

test('inspect() and datasets() do not load libtorch', async (t) => {
  const loaded = await loadedLibraries(`
    import { datasets, inspect } from 'residual'
    await inspect('resnet50')
    await datasets()
  `)
  t.deepEqual(
    loaded.filter((name) => /residual|torch/.test(name)),
    ['residual.node'],
  )
})

test('the package can be loaded with require()', async (t) => {
  const { stdout } = await script(`
    import { createRequire } from 'node:module'
    console.log(typeof createRequire(process.cwd() + '/x.js')('residual').train)
  `)
  t.is(stdout, 'function\n')
})

test('invalid JSON at the bridge is reported as an internal error', async (t) => {
  const coreError = t.throws(() => unwrapResult(coreAddon().inspect('{')), {
    instanceOf: ResidualError,
  })
  const errors = [coreError]
  const opened = torchAddon().openModel('runs/none', '{')
  errors.push(
    await t.throwsAsync(async () => unwrapResult(await opened), { instanceOf: ResidualError }),
  )
  for (const { code, message, at, hint } of errors) {
    t.is(code, 'E_INTERNAL')
    t.regex(message, /invalid JSON: .* line 1 column 1/)
    t.deepEqual(at, {})
    t.regex(hint, /please report it/)
  }
})

/** Trains in a child process and returns the error. */
async function trainError(config: object, env: NodeJS.ProcessEnv) {
  const { stdout, stderr, signal } = await script(
    `import { train } from 'residual'
     const { code, message, at, hint } = await train(${JSON.stringify(config)}).then(String, (error) => error)
     console.log(JSON.stringify({ code, message, at, hint }))`,
    { env },
  )
  if (stdout === '') throw new Error(`${signal}: ${stderr}`)
  return JSON.parse(stdout)
}

test('a missing libtorch is reported with the environment variable', async (t) => {
  const error = await trainError(tinyConfig(t), { RESIDUAL_LIBTORCH: '/nowhere' })
  t.is(error.code, 'E_LIBTORCH')
  t.regex(error.message, /RESIDUAL_LIBTORCH is set to \/nowhere/)
  t.truthy(error.hint)
})

test('rejects a libtorch of another version before loading it', async (t) => {
  const root = tempFolder(t)
  symlinkSync(realpathSync(LIBTORCH), join(root, 'lib'))
  writeFileSync(join(root, 'build-version'), '2.4.1+cpu\n')
  const error = await trainError(tinyConfig(t), { RESIDUAL_LIBTORCH: root })
  t.is(error.code, 'E_LIBTORCH')
  t.regex(error.message, /2\.4\.1/)
})

test('rejects a truncated library instead of crashing', async (t) => {
  const root = tempFolder(t)
  const real = realpathSync(LIBTORCH)
  mkdirSync(join(root, 'lib'))
  for (const name of readdirSync(real)) {
    if (name === 'libc10.so') copyFileSync(join(real, name), join(root, 'lib', name))
  }
  const truncated = join(root, 'lib', 'libtorch_cpu.so')
  copyFileSync(join(PLATFORM, 'residual-torch.node'), truncated)
  truncateSync(truncated, 500_000)
  const error = await trainError(tinyConfig(t), { RESIDUAL_LIBTORCH: root })
  t.is(error.code, 'E_LIBTORCH')
  t.is(basename(error.at.file), 'libtorch_cpu.so')
  t.regex(error.message, /truncated: 500000 of \d+ bytes/)

  writeFileSync(truncated, 'not a library')
  t.is((await trainError(tinyConfig(t), { RESIDUAL_LIBTORCH: root })).code, 'E_LIBTORCH')
})

/** Settings of a run of one step on the embedded data set. */
const ONE_STEP = {
  ...{ data: 'fashion-mnist-mini', model: 'resnet8', budget: { steps: 1 }, batchSize: 16 },
  ...{ threads: 1, workers: 1, seed: 1 },
}

test('worker threads load libtorch at the same time, before the main thread', async (t) => {
  const folder = tempFolder(t)
  const entry = pathToFileURL(join(ROOT, 'dist/index.js')).href
  const trainIn = (out: string) => `
    const { train } = await import('${entry}')
    const { best } = await train({ ...${JSON.stringify(ONE_STEP)}, out: ${out} })
  `
  writeFileSync(
    join(folder, 'worker.mjs'),
    `import { parentPort, workerData } from 'node:worker_threads'
    ${trainIn('workerData')}
    parentPort.postMessage(best.loss)`,
  )
  writeFileSync(
    join(folder, 'main.mjs'),
    `
    import { once } from 'node:events'
    import { Worker } from 'node:worker_threads'
    const folder = ${JSON.stringify(folder)}
    const workers = [1, 2, 3].map((index) => new Worker(folder + '/worker.mjs', { workerData: folder + '/' + index }))
    const losses = (await Promise.all(workers.map((worker) => once(worker, 'message')))).flat()
    await Promise.all(workers.map((worker) => worker.terminate()))
    ${trainIn("folder + '/main'")}
    console.log(JSON.stringify([...losses, best.loss]))`,
  )
  const { status, stdout, stderr } = await node([join(folder, 'main.mjs')])
  t.is(stderr, '')
  t.is(status, 0)
  const losses: number[] = JSON.parse(stdout)
  t.is(losses.length, 4)
  t.true((losses[0] ?? 0) > 0)
  t.is(new Set(losses).size, 1)
})
