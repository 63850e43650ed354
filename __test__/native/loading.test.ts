import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { ResidualError } from 'residual'
import { coreAddon, torchAddon } from '#dist/native/addon.js'
import { open } from '#dist/native/native-result.js'
import { ROOT, script } from '../child.js'
import { folder, tinyRun } from '../tiny.js'

const PLATFORM = join(ROOT, 'bindings', 'npm', 'linux-x64-gnu')
const LIBTORCH = join(ROOT, 'bindings', 'npm', 'libtorch-linux-x64', 'lib')

/** What a program has loaded, by file name. */
async function loadedBy(program: string): Promise<string[]> {
  const { stdout, stderr } = await script(`
    import { readFileSync } from 'node:fs'
    ${program}
    const maps = readFileSync('/proc/self/maps', 'utf8')
    console.log(JSON.stringify([...new Set(maps.match(/[^/\\s]+\\.(?:node|so)\\b/g))]))
  `)
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout)
}

test('importing the package loads nothing native', async (t) => {
  const loaded = await loadedBy("import 'residual'")
  t.deepEqual(
    loaded.filter((name) => /residual|torch/.test(name)),
    [],
  )
})

test('importing the package loads nothing that serves a page, fetches a file or starts a program', async (t) => {
  const { stdout, stderr } = await script(`
    import 'residual'
    const loaded = process.moduleLoadList.filter((name) => /NativeModule (http|tls|child_process)$/.test(name))
    console.log(JSON.stringify(loaded))
  `)
  t.is(stderr, '')
  t.is(stdout, '[]\n')
})

test('inspecting and listing data sets loads no libtorch', async (t) => {
  const loaded = await loadedBy(`
    import { datasets, inspect } from 'residual'
    await inspect('resnet50')
    await datasets()
  `)
  t.deepEqual(
    loaded.filter((name) => /residual|torch/.test(name)),
    ['residual.node'],
  )
})

test('the package can be required', async (t) => {
  const { stdout } = await script(`
    import { createRequire } from 'node:module'
    console.log(typeof createRequire(process.cwd() + '/x.js')('residual').train)
  `)
  t.is(stdout, 'function\n')
})

/** The package by itself, with these files as its addons, tried; the error that it gives. */
async function withAddons(t: ExecutionContext, addons: Record<string, string>) {
  const root = folder(t)
  cpSync(join(ROOT, 'dist'), join(root, 'dist'), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'))
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }')
  const built = join(root, 'bindings', 'npm', basename(PLATFORM))
  for (const [name, from] of Object.entries(addons)) {
    mkdirSync(built, { recursive: true })
    copyFileSync(from, join(built, name))
  }
  const index = pathToFileURL(join(root, 'dist', 'index.js'))
  const { stdout, stderr } = await script(`
    import { inspect } from '${index}'
    const { code, message, at, hint } = await inspect('resnet18').catch((error) => error)
    console.log(JSON.stringify({ code, message, at, hint }))
  `)
  t.is(stderr, '')
  return JSON.parse(stdout)
}

test('a missing platform package is named, with the way to get it', async (t) => {
  const { code, message, hint } = await withAddons(t, {})
  t.is(code, 'E_PLATFORM')
  t.regex(message, /@residual\/linux-x64-gnu is not installed/)
  t.regex(hint, /--include=optional/)
})

test('a library that is no addon is named, with the way to another one', async (t) => {
  const addons = { 'residual.node': join(PLATFORM, 'residual-cuda.so') }
  const { code, message, at, hint } = await withAddons(t, addons)
  t.is(code, 'E_PLATFORM')
  t.regex(message, /^the native addon could not be loaded: ./)
  t.is(basename(at.file), 'residual.node')
  t.regex(hint, /npm install --force/)
})

test('what is no JSON when it comes to the core is told as the defect that it is', async (t) => {
  const light = t.throws(() => open(coreAddon().inspect('{')), { instanceOf: ResidualError })
  const answers = [light]
  const opened = torchAddon().openModel('runs/none', '{')
  answers.push(await t.throwsAsync(async () => open(await opened), { instanceOf: ResidualError }))
  for (const { code, message, at, hint } of answers) {
    t.is(code, 'E_INTERNAL')
    t.regex(message, /no JSON: .* line 1 column 1/)
    t.deepEqual(at, {})
    t.regex(hint, /please report it/)
  }
})

/** Tries to train, and gives the error. */
async function failure(config: object, env: NodeJS.ProcessEnv) {
  const { stdout, stderr, signal } = await script(
    `import { train } from 'residual'
     const { code, message, at, hint } = await train(${JSON.stringify(config)}).then(String, (error) => error)
     console.log(JSON.stringify({ code, message, at, hint }))`,
    { env },
  )
  if (stdout === '') throw new Error(`${signal}: ${stderr}`)
  return JSON.parse(stdout)
}

test('a libtorch that is not there is named, with the variable that named it', async (t) => {
  const error = await failure(tinyRun(t), { RESIDUAL_LIBTORCH: '/nowhere' })
  t.is(error.code, 'E_LIBTORCH')
  t.regex(error.message, /RESIDUAL_LIBTORCH is set to \/nowhere/)
  t.truthy(error.hint)
})

test('a libtorch of another version is refused before it is loaded', async (t) => {
  const root = folder(t)
  symlinkSync(realpathSync(LIBTORCH), join(root, 'lib'))
  writeFileSync(join(root, 'build-version'), '2.4.1+cpu\n')
  const error = await failure(tinyRun(t), { RESIDUAL_LIBTORCH: root })
  t.is(error.code, 'E_LIBTORCH')
  t.regex(error.message, /2\.4\.1/)
})

test('a library that was cut short is refused, not mapped', async (t) => {
  const root = folder(t)
  const real = realpathSync(LIBTORCH)
  mkdirSync(join(root, 'lib'))
  for (const name of readdirSync(real)) {
    if (name === 'libc10.so') copyFileSync(join(real, name), join(root, 'lib', name))
  }
  const cut = join(root, 'lib', 'libtorch_cpu.so')
  copyFileSync(join(PLATFORM, 'residual-torch.node'), cut)
  truncateSync(cut, 500_000)
  const error = await failure(tinyRun(t), { RESIDUAL_LIBTORCH: root })
  t.is(error.code, 'E_LIBTORCH')
  t.is(basename(error.at.file), 'libtorch_cpu.so')
  t.regex(error.message, /cut short: 500000 of \d+ bytes/)

  writeFileSync(cut, 'no library')
  t.is((await failure(tinyRun(t), { RESIDUAL_LIBTORCH: root })).code, 'E_LIBTORCH')
})
