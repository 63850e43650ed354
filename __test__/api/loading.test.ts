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
import test from 'ava'
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

test('a missing platform package is named, with the way to get it', async (t) => {
  const root = folder(t)
  cpSync(join(ROOT, 'dist', 'bindings'), join(root, 'dist', 'bindings'), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'))
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }')
  const index = pathToFileURL(join(root, 'dist', 'bindings', 'ts', 'index.js'))
  const { stdout, stderr } = await script(`
    import { inspect } from '${index}'
    const { code, message, hint } = await inspect('resnet18').catch((error) => error)
    console.log([code, message, hint].join('\\n'))
  `)
  t.is(stderr, '')
  t.regex(stdout, /^E_PLATFORM\n.*@residual\/linux-x64-gnu is not installed\n.*--include=optional/)
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
