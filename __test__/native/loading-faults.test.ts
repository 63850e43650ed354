import { execFile, spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import type { Check, ErrorCode, RunError } from 'residual'
import { canMount } from '../../scripts/prove/private-mounts.mjs'
import { ROOT } from '../child.js'
import { tempFolder } from '../tiny.js'
import {
  ADDONS,
  installPackage,
  LIBTORCH,
  type Project,
  writeManifest,
} from './installed-package.js'

/** Calls the function that loads the addon or libtorch, and the doctor, and prints the results. */
const LOAD = (prepare: string) => `
  ${prepare}
  const { doctor, inspect, train } = await import('residual')
  const asData = ({ code, message, at, hint }) => ({ code, message, at, hint })
  const images = new Uint8Array(12 * 64)
  const labels = Uint8Array.from({ length: 12 }, (_, index) => index % 3)
  const config = { model: 'resnet8', budget: { steps: 1 }, batchSize: 12, data: { validation: 0 }, threads: 1, workers: 1, out: 'run' }
  const arrays = { train: { images, labels, width: 8, height: 8, channels: 1 } }
  const error = await inspect('resnet18')
    .then(() => train(config, { arrays }))
    .then(({ stopReason }) => ({ stopReason }), asData)
  const { checks } = await doctor()
  console.log(JSON.stringify({ error, failed: checks.find(({ status }) => status === 'fail') }))
`

interface Outcome {
  error: RunError & { hint: string; stopReason?: string }
  /** The first failed check of the doctor. */
  failed?: Check
}

/** Trains in a project, and returns the outcome. */
async function load(t: ExecutionContext, project: Project, prepare = ''): Promise<Outcome> {
  const { stdout, stderr, signal } = await project.run(LOAD(prepare))
  t.is(signal, null)
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout)
}

/** Checks that training in a project fails, and that the doctor reports the same error. */
async function assertFault(
  t: ExecutionContext,
  project: Project,
  expected: { code: ErrorCode; message: RegExp; hint: RegExp; file?: string; prepare?: string },
) {
  const { error, failed } = await load(t, project, expected.prepare)
  t.is(error.code, expected.code, JSON.stringify(error))
  t.regex(error.message, expected.message)
  t.regex(error.hint, expected.hint)
  if (expected.file !== undefined) t.is(basename(error.at?.file ?? ''), expected.file)
  t.is(failed?.detail, error.message)
  t.is(failed?.hint, error.hint)
}

/** Replaces a file of a package, which is a link to the clone, by a copy that can be damaged. */
function replace(project: Project, change: (path: string) => void, ...path: string[]) {
  const file = project.installed('@residual', ...path)
  const original = realpathSync(file)
  rmSync(file)
  copyFileSync(original, file)
  change(file)
}

/** Replaces libc10 by a copy, and the other libraries of libtorch by the file of `write`. */
function replaceLibtorch(project: Project, write: (path: string) => void) {
  const lib = project.installed('@residual', LIBTORCH, 'lib')
  const original = realpathSync(lib)
  rmSync(lib)
  mkdirSync(lib)
  copyFileSync(join(original, 'libc10.so'), join(lib, 'libc10.so'))
  write(join(lib, 'libtorch_cpu.so'))
}

const onnxruntime = (platform: string) => {
  const folder = join(ROOT, 'node_modules/onnxruntime-node/bin/napi-v6', platform)
  return join(folder, 'onnxruntime_binding.node')
}

test('a complete installation trains', async (t) => {
  const { error, failed } = await load(t, installPackage(t))
  t.is(error.stopReason, 'budget', JSON.stringify(error))
  t.is(failed, undefined)
})

test('optional dependencies that were omitted', async (t) => {
  const project = installPackage(t)
  rmSync(project.installed('@residual'), { recursive: true })
  const packages = { [`node_modules/@residual/${ADDONS}`]: {} }
  writeFileSync(join(project.folder, 'package-lock.json'), JSON.stringify({ packages }))
  await assertFault(t, project, {
    code: 'E_PLATFORM',
    message: new RegExp(`^the package @residual/${ADDONS} is not installed$`),
    hint: /^Run `npm install --include=optional`: .*--omit=optional/,
  })
})

test('data and recipes of the package that are missing', async (t) => {
  const project = installPackage(t)
  for (const [folder, path, call] of [
    ['data', 'data/fashion-mnist-mini', "train({ data: 'fashion-mnist-mini' })"],
    ['recipes', 'recipes', 'recipes()'],
    ['recipes', 'recipes', "train({ recipe: 'fast' })"],
  ] as const) {
    const removed = project.installed('residual', folder)
    rmSync(removed)
    const { stdout, stderr } = await project.run(`
      import { doctor, recipes, train } from 'residual'
      const error = await Promise.resolve().then(() => ${call}).catch((error) => error)
      const { ok, checks } = await doctor()
      const failed = checks.filter(({ status }) => status === 'fail')
      console.log(JSON.stringify({ code: error.code, message: error.message, hint: error.hint, ok, failed }))
    `)
    symlinkSync(join(ROOT, folder), removed)
    t.is(stderr, '')
    const { code, message, hint, ok, failed } = JSON.parse(stdout)
    t.is(code, 'E_PLATFORM', call)
    t.is(message, `the package residual is incomplete: ${path} is missing`)
    t.regex(hint, /^Delete node_modules, and run `npm install`/)
    t.false(ok)
    t.deepEqual(failed, [{ name: 'package', status: 'fail', detail: message, hint }])
  }
})

test('a lockfile that was made on another platform', async (t) => {
  const project = installPackage(t)
  rmSync(project.installed('@residual', ADDONS), { recursive: true })
  const optionalDependencies = { [`@residual/${ADDONS}`]: '*', '@residual/darwin-arm64': '*' }
  const packages = {
    'node_modules/residual': { optionalDependencies },
    'node_modules/@residual/darwin-arm64': {},
  }
  writeFileSync(join(project.folder, 'package-lock.json'), JSON.stringify({ packages }))
  await assertFault(t, project, {
    code: 'E_PLATFORM',
    message: /is not installed: package-lock\.json does not list it$/,
    hint: /^If the lockfile was made on another platform, .*npm\/cli#4828\): delete node_modules and package-lock\.json, and run `npm install`\. .* `npm view @residual\/[\w-]+@\d+\.\d+\.\d+`\.$/,
  })
})

test('node_modules that was copied from another platform', async (t) => {
  const project = installPackage(t)
  const folder = project.installed('@residual', 'darwin-arm64')
  renameSync(project.installed('@residual', ADDONS), folder)
  await assertFault(t, project, {
    code: 'E_PLATFORM',
    message: new RegExp(
      `node_modules was installed for darwin-arm64, and this machine is ${ADDONS}`,
    ),
    hint: /^Delete node_modules, and run `npm install` on this machine; do not copy/,
  })
})

test('libtorch that is not installed', async (t) => {
  const project = installPackage(t)
  rmSync(project.installed('@residual', LIBTORCH), { recursive: true })
  await assertFault(t, project, {
    code: 'E_LIBTORCH',
    message: new RegExp(`@residual/${LIBTORCH} is not installed`),
    hint: /npm install --include=optional/,
  })
})

for (const [name, code] of [
  [ADDONS, 'E_PLATFORM'],
  [LIBTORCH, 'E_LIBTORCH'],
] as const) {
  test(`a package ${name} of another version`, async (t) => {
    const project = installPackage(t)
    writeManifest(project.installed('@residual', name), name, { version: '0.0.1' })
    await assertFault(t, project, {
      code,
      message: new RegExp(`^@residual/${name} has version 0\\.0\\.1, and residual has version`),
      hint: /^All packages of residual need the same version\. Delete node_modules/,
      file: 'package.json',
    })
  })
}

test('an addon that was built from another version', async (t) => {
  const project = installPackage(t)
  const version = project.installed('residual/dist/native/version.js')
  writeFileSync(version, "export const VERSION = '99.0.0'\n")
  for (const name of ['residual', `@residual/${ADDONS}`, `@residual/${LIBTORCH}`]) {
    writeManifest(project.installed(name), name, {
      ...JSON.parse(readFileSync(project.installed(name, 'package.json'), 'utf8')),
      version: '99.0.0',
    })
  }
  await assertFault(t, project, {
    code: 'E_PLATFORM',
    message: /^the native addon has version \d+\.\d+\.\d+, and residual has version 99\.0\.0$/,
    hint: /^Delete node_modules/,
    file: 'residual.node',
  })
})

test('libraries of other platforms', async (t) => {
  const [own, other] = process.arch === 'x64' ? ['x64', 'arm64'] : ['arm64', 'x64']
  for (const [platform, message] of [
    ['darwin/arm64', /is a library for macOS \(Mach-O\), and this process needs one for Linux/],
    ['win32/x64', /is a library for Windows \(PE\), and this process needs one for Linux/],
    [
      `linux/${other}`,
      new RegExp(`is a library for ${other}, and this process needs one for ${own}`),
    ],
  ] as const) {
    const addon = installPackage(t)
    replace(addon, (path) => copyFileSync(onnxruntime(platform), path), ADDONS, 'residual.node')
    const hint = /^Delete node_modules, and run `npm install`/
    await assertFault(t, addon, { code: 'E_PLATFORM', message, hint, file: 'residual.node' })
    const libtorch = installPackage(t)
    replaceLibtorch(libtorch, (path) => copyFileSync(onnxruntime(platform), path))
    await assertFault(t, libtorch, { code: 'E_LIBTORCH', message, hint, file: 'libtorch_cpu.so' })
  }
})

test('truncated, empty and missing libraries', async (t) => {
  for (const [change, message] of [
    [
      (path: string) => truncateSync(path, 100_000),
      /residual\.node is truncated: 100000 of \d+ bytes/,
    ],
    [
      (path: string) => truncateSync(path, 40),
      /is truncated: it ends within its header \(40 bytes\)/,
    ],
    [(path: string) => truncateSync(path, 0), /residual\.node is not a shared library/],
    [(path: string) => rmSync(path), /residual\.node is missing/],
    [
      (path: string) => {
        rmSync(path)
        symlinkSync('/nowhere', path)
      },
      /residual\.node is a broken link/,
    ],
  ] as const) {
    const project = installPackage(t)
    replace(project, change, ADDONS, 'residual.node')
    const hint = /^Delete node_modules/
    await assertFault(t, project, { code: 'E_PLATFORM', message, hint, file: 'residual.node' })
  }
})

test('a library without permission to read it', async (t) => {
  const project = installPackage(t)
  replace(project, (path) => chmodSync(path, 0), ADDONS, 'residual.node')
  for (const name of ['.', 'node_modules']) chmodSync(join(project.folder, name), 0o755)
  await assertFault(t, project, {
    code: 'E_PLATFORM',
    message: /residual\.node cannot be read by the user with id \d+ \(EACCES\)/,
    hint: /^Give the user permission to read it: `chmod -R a\+rX /,
    // Root may read every file.
    prepare: 'if (process.getuid() === 0) { process.setgid(54321); process.setuid(54321) }',
  })
})

test('a package on a file system without permission to execute', async (t) => {
  if (!canMount()) {
    t.log('skipped: this user may not mount file systems')
    return t.pass()
  }
  const project = installPackage(t)
  const folder = project.installed('@residual', ADDONS)
  const addon = realpathSync(join(folder, 'residual.node'))
  const manifest = readFileSync(join(folder, 'package.json'), 'utf8')
  const mount = `mount -t tmpfs -o noexec none ${folder} && cp ${addon} ${folder} && printf %s '${manifest}' > ${folder}/package.json`
  writeFileSync(join(project.folder, 'program.mjs'), LOAD(''))
  const command = `${mount} && cd ${project.folder} && exec ${process.execPath} program.mjs`
  const { stdout, stderr } = spawnSync('unshare', ['--mount', 'sh', '-c', command], {
    encoding: 'utf8',
  })
  const { error, failed } = JSON.parse(stdout || stderr) as Outcome
  t.is(error.code, 'E_PLATFORM')
  t.is(
    error.message,
    `the native addon could not be loaded: ${folder} is mounted with \`noexec\`, so that no library can be loaded from it`,
  )
  t.regex(error.hint, /another file system, or run `mount -o remount,exec /)
  t.is(failed?.detail, error.message)
})

test('a library that is not an addon', async (t) => {
  const project = installPackage(t)
  const other = join(ROOT, 'bindings/npm', ADDONS, 'residual-cuda.so')
  replace(project, (path) => copyFileSync(other, path), ADDONS, 'residual.node')
  await assertFault(t, project, {
    code: 'E_PLATFORM',
    message: /^the native addon could not be loaded: ./,
    hint: /^Delete node_modules/,
    file: 'residual.node',
  })
})

test('a library that libtorch needs is missing', async (t) => {
  const project = installPackage(t)
  // The addon in place of libtorch: a library that needs another one, which is not loaded.
  const needy = join(ROOT, 'bindings/npm', ADDONS, 'residual-torch.node')
  replaceLibtorch(project, (path) => copyFileSync(needy, path))
  await assertFault(t, project, {
    code: 'E_LIBTORCH',
    message:
      /^libtorch could not be loaded: the library libtorch_cpu\.so, which it needs, is not installed/,
    hint: /^Delete node_modules/,
  })
})

/** Replaces facts in Node's report of this process. */
const withReport = (header: object) => `
  process.report.getReport = () => ({ header: ${JSON.stringify(header)}, sharedObjects: [] })
`

test('musl, as on Alpine Linux', async (t) => {
  await assertFault(t, installPackage(t), {
    code: 'E_PLATFORM',
    message: /no prebuilt package for linux-\w+-musl: libtorch needs glibc, .*\(Alpine Linux\)$/,
    hint: /`FROM node:22-slim` in place of `FROM node:22-alpine`/,
    prepare: withReport({}),
  })
})

test('a Node that was built for musl', async (t) => {
  const program = process.env.RESIDUAL_TEST_MUSL_NODE
  if (program === undefined) {
    t.log('skipped: set RESIDUAL_TEST_MUSL_NODE to the path of a Node that was built for musl')
    return t.pass()
  }
  const { folder } = installPackage(t)
  writeFileSync(join(folder, 'program.mjs'), LOAD(''))
  const { stdout, stderr } = await run(program, ['program.mjs'], { cwd: folder })
  const { error, failed } = JSON.parse(stdout || stderr) as Outcome
  t.is(error.code, 'E_PLATFORM')
  t.regex(error.message, /-musl: libtorch needs glibc/)
  t.is(failed?.detail, error.message)
})

test('a glibc that is too old', async (t) => {
  await assertFault(t, installPackage(t), {
    code: 'E_PLATFORM',
    message: /^this system has glibc 2\.17, and residual needs 2\.28 or later$/,
    hint: /node:22-slim/,
    prepare: withReport({ glibcVersionRuntime: '2.17' }),
  })
})

test('another libtorch that the process has loaded', async (t) => {
  const project = installPackage(t)
  const other = join(project.folder, 'other', 'libc10.so')
  mkdirSync(join(project.folder, 'other'))
  copyFileSync(join(ROOT, 'bindings/npm', LIBTORCH, 'lib/libc10.so'), other)
  const prepare = `
    import { constants } from 'node:os'
    try { process.dlopen({ exports: {} }, '${other}', constants.dlopen.RTLD_NOW | 0x1000) } catch {}
  `
  const { error } = await load(t, project, prepare)
  t.is(error.code, 'E_LIBTORCH')
  t.is(error.message, `this process has already loaded another libtorch, ${other}`)
  t.is(error.at?.file, other)
  t.regex(error.hint, /`child_process\.fork`.*`npm ls residual`/)
})

test('an application of Electron that packs the libraries into its archive', async (t) => {
  const root = tempFolder(t)
  const project = installPackage(t, join(root, 'app.asar'))
  await assertFault(t, project, {
    code: 'E_PLATFORM',
    message:
      /residual\.node is in the archive .*app\.asar: native libraries cannot be loaded from it$/,
    hint: /^Unpack the packages of residual: `asarUnpack: \["node_modules\/residual\/\*\*"/,
  })
  // What `asarUnpack` does: the files are listed in the archive, and lie beside it.
  for (const name of ['residual', '@residual']) {
    const unpacked = join(root, 'app.asar.unpacked', 'node_modules')
    mkdirSync(unpacked, { recursive: true })
    spawnSync('cp', ['-r', project.installed(name), unpacked])
  }
  const { error, failed } = await load(t, project)
  t.is(error.stopReason, 'budget', JSON.stringify(error))
  t.is(failed, undefined)
})

const run = promisify(execFile)
const QEMU = '/usr/bin/qemu-x86_64-static'

test('the doctor warns of emulation', async (t) => {
  t.timeout(300_000)
  if (!existsSync(QEMU) || process.arch !== 'x64') {
    t.log(`skipped: ${QEMU} is not installed`)
    return t.pass()
  }
  const source = `
    const { checkInstallation } = await import('${ROOT}dist/doctor/installation-checks.js')
    const [checks] = await checkInstallation()
    console.log(JSON.stringify(checks.find(({ name }) => name === 'emulation')))
  `
  const { stdout, stderr } = await run(
    QEMU,
    ['-cpu', 'Nehalem', process.execPath, '--input-type=module', '--eval', source],
    { cwd: ROOT, env: { ...process.env, RESIDUAL_LIBTORCH: '/nowhere' } },
  ).catch((error) => error)
  const { status, detail } = JSON.parse(stdout || stderr) as Check
  t.is(status, 'warn')
  t.regex(detail, /^qemu-x86_64-static translates this Node, which was built for x64/)
})
