/**
 * Installs the tarballs of `npm run pack` without a network into an empty folder, and uses them there
 * as the README describes.
 */
import { spawn } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import test from 'ava'
import type { RunEvent } from 'residual'
import { PREBUILT_PLATFORMS } from '#dist/native/prebuilt-platforms.js'
import { type ProcessResult, ROOT } from '../child.js'
import { imageFolder } from '../tiny.js'
import { readTranscripts, runTranscript } from './transcript.js'

const MINUTES = 60_000
const MANIFEST = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
const TARBALLS = ['residual', 'residual-linux-x64-gnu', 'residual-libtorch-linux-x64'].map((name) =>
  join(ROOT, 'pack', `${name}-${MANIFEST.version}.tgz`),
)

/** npm rejects packages near 120 MiB; the limit is not documented. */
const MAX_TARBALL_BYTES = 118 * 2 ** 20

/** Folder of the dashboard's web page. */
const PAGE = 'src/dashboard/page'

/** Folder of the project in which the packages are installed. */
const project = mkdtempSync(join(tmpdir(), 'residual-project-'))
const installed = (...path: string[]) => join(project, 'node_modules', ...path)
const LIBTORCH = installed('@residual', 'libtorch-linux-x64')
const ADDONS = installed('@residual', 'linux-x64-gnu')

/**
 * Environment of a user's machine: without variables of this clone, of libtorch and of the npm process
 * that runs the tests, except for npm's cache and registry.
 */
const env = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) =>
      /^npm_config_(cache|registry|userconfig)$/.test(name) ||
      !/^(npm_.*|RESIDUAL_.*|LIBTORCH|LD_LIBRARY_PATH|NODE_OPTIONS|NODE_PATH)$/i.test(name),
  ),
)

function run(command: string, args: readonly string[], cwd = project): Promise<ProcessResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text
    })
    child.on('error', reject)
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }))
  })
}

/** Runs the command as users start it. */
const npx = (...args: string[]) => run('npx', ['--offline', 'residual', ...args])

/** Returns the arguments of a run that takes seconds. */
const tiny = (out: string) => [
  ...['train', 'fashion-mnist-mini', '--model', 'resnet8', '--out', out],
  ...['budget.steps=3', 'batchSize=16', 'precision=fp32', 'threads=1', 'workers=1'],
]

test.before('the tarballs are packed and installed', async (t) => {
  t.timeout(10 * MINUTES, 'the first run compresses libtorch, which takes minutes')
  const packed = await run(process.execPath, ['scripts/pack.mjs', '--no-build'], ROOT)
  t.is(packed.status, 0, packed.stderr)
  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }')
  writeFileSync(join(project, 'package-lock.json'), JSON.stringify(lockedDependencies()))
  const { status, stderr } = await run('npm', [
    ...['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund'],
    ...TARBALLS,
  ])
  t.is(status, 0, stderr)
})

/**
 * Returns a lockfile with the clone's versions of the runtime dependencies. With it, npm installs from
 * the cache that `npm ci` filled; resolving versions would require more metadata than the cache has.
 */
function lockedDependencies() {
  const { lockfileVersion, packages } = JSON.parse(
    readFileSync(join(ROOT, 'package-lock.json'), 'utf8'),
  )
  const runtime = Object.entries<{ dev?: boolean }>(packages).filter(
    ([path, { dev }]) => path !== '' && dev !== true,
  )
  return { lockfileVersion, requires: true, packages: { '': {}, ...Object.fromEntries(runtime) } }
}

test.after.always('removes the folder', () => rmSync(project, { recursive: true, force: true }))

test.serial('only the packages and their dependencies are installed', async (t) => {
  const names = (lockfile: string, isIncluded: (entry: { dev?: boolean }) => boolean) => {
    const { packages } = JSON.parse(readFileSync(lockfile, 'utf8'))
    const paths = Object.keys(packages).filter((path) => path !== '' && isIncluded(packages[path]))
    // A package may be installed twice, nested in another one.
    return [...new Set(paths.map((path) => path.replace(/.*node_modules\//, '')))].sort()
  }
  t.deepEqual(
    names(join(project, 'package-lock.json'), () => true),
    [
      ...names(join(ROOT, 'package-lock.json'), ({ dev }) => dev !== true),
      ...['@residual/libtorch-linux-x64', '@residual/linux-x64-gnu', 'residual'],
    ].sort(),
  )
  t.deepEqual(
    names(join(project, 'package-lock.json'), (entry) => 'hasInstallScript' in entry),
    [],
  )
  const { status, stdout } = await run('npm', ['ls', '--all'])
  t.is(status, 0, stdout)
})

test.serial('the packages have one version and declare their platform', (t) => {
  const manifest = (folder: string) =>
    JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const { scripts, devDependencies, optionalDependencies, version } = manifest(
    installed('residual'),
  )
  t.is(version, MANIFEST.version)
  t.is(scripts, undefined)
  t.is(devDependencies, undefined)
  const platforms = Object.entries(PREBUILT_PLATFORMS).flatMap(([name, { libtorch }]) => [
    `@residual/${name}`,
    `@residual/${libtorch.name}`,
  ])
  t.deepEqual(optionalDependencies, Object.fromEntries(platforms.map((name) => [name, version])))
  for (const folder of [ADDONS, LIBTORCH]) {
    const { version, os, cpu, libc, scripts } = manifest(folder)
    t.deepEqual(
      { version, os, cpu, libc, scripts },
      {
        ...{ version: MANIFEST.version, os: ['linux'], cpu: ['x64'], libc: ['glibc'] },
        scripts: undefined,
      },
    )
  }
})

test.serial('npm publishes only the expected files', async (t) => {
  t.timeout(2 * MINUTES)
  const published = await Promise.all(
    TARBALLS.map(async (tarball) => {
      const { status, stdout, stderr } = await run('npm', [
        ...['publish', '--dry-run', '--json', '--offline', tarball],
      ])
      t.is(status, 0, stderr)
      const report = JSON.parse(stdout)
      // npm 11 nests the report under the package name.
      const { files, size } = 'files' in report ? report : Object.values(report)[0]
      return { size: size / 1e6, paths: files.map(({ path }: { path: string }) => path).sort() }
    }),
  )
  const [residual, addons, libtorch] = published as [Published, Published, Published]

  const compiled = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(js|c?ts)$/.test(name) && !name.endsWith('.d.ts'))
    .filter((name) => !name.startsWith(join('dashboard', 'page')))
    .map((name) => join('dist', name.replace(/ts$/, 'js')))
  t.true(compiled.includes('dist/cli/main.js'))
  t.deepEqual(
    residual.paths,
    [
      ...compiled,
      ...['LICENSE', 'NOTICE.md', 'README.md', 'config.schema.json', 'package.json'],
      ...['electron.d.ts', 'index.d.ts'],
      ...[
        ...['LICENSE', 'README.md', 'classes.txt'],
        ...['train-images-idx3-ubyte.gz', 'train-labels-idx1-ubyte.gz'],
        ...['t10k-images-idx3-ubyte.gz', 't10k-labels-idx1-ubyte.gz'],
      ].map((name) => `data/fashion-mnist-mini/${name}`),
      ...readdirSync(join(ROOT, 'recipes')).map((name) => `recipes/${name}`),
      ...readdirSync(join(ROOT, PAGE)).map((name) => `${PAGE}/${name}`),
    ].sort(),
  )
  t.true(residual.size < 7, `${residual.size} MB`)

  t.deepEqual(addons.paths, [
    ...['LICENSE', 'README.md', 'THIRD-PARTY-NOTICES.txt', 'package.json'],
    ...['residual-cuda.so', 'residual-torch.node', 'residual.node'],
  ])
  t.true(addons.size < 6, `${addons.size} MB`)

  // Only PyTorch's CUDA build needs the stand-ins for NVIDIA's libraries.
  const isStub = (path: string) => /^(lib\/libcu|licenses\/residual)/.test(path)
  t.deepEqual(
    // In PyTorch's CPU build, this name contains a hash.
    libtorch.paths
      .filter((path) => !isStub(path))
      .map((path) => path.replace(/libgomp.*/, 'libgomp')),
    [
      ...['README.md', 'lib/libc10.so', 'lib/libgomp', 'lib/libtorch_cpu.so'],
      ...['licenses/gcc/GCC-exception-3.1.txt', 'licenses/gcc/GPL-3.0.txt'],
      'licenses/intel-onemkl/LICENSE.txt',
      ...['licenses/pytorch/LICENSE', 'licenses/pytorch/NOTICE', 'package.json'],
    ],
  )
  const stubs = libtorch.paths.filter(isStub)
  t.deepEqual(
    stubs,
    stubs.length === 0
      ? []
      : ['lib/libcudart.so.13', 'lib/libcupti.so.13', 'licenses/residual/LICENSE'],
  )
  t.true(libtorch.size < MAX_TARBALL_BYTES / 1e6, `${libtorch.size} MB`)
})

interface Published {
  size: number
  paths: string[]
}

test.serial('the libraries are stripped and do not depend on their folder', async (t) => {
  for (const name of ['residual.node', 'residual-torch.node']) {
    const { stdout } = await run('readelf', [
      ...['--wide', '--dynamic', '--section-headers', join(ADDONS, name)],
    ])
    t.true(stdout.includes('.text'))
    t.notRegex(stdout, /\.symtab|\.debug_|RPATH|RUNPATH/, name)
    t.false(readFileSync(join(ADDONS, name)).includes(ROOT), `${name} names the clone`)
  }
  const { stdout } = await run('ldd', [join(LIBTORCH, 'lib', 'libtorch_cpu.so')])
  t.notRegex(stdout, /not found/)
  for (const name of readdirSync(join(LIBTORCH, 'lib'))) {
    if (name !== 'libtorch_cpu.so') t.true(stdout.includes(`=> ${join(LIBTORCH, 'lib', name)} `))
  }
})

test.serial('the notices list every crate with its license', (t) => {
  const notices = readFileSync(join(ADDONS, 'THIRD-PARTY-NOTICES.txt'), 'utf8')
  for (const crate of ['tch', 'torch-sys', 'napi', 'serde_json', 'safetensors', 'png']) {
    t.regex(notices, new RegExp(`^${crate} \\d.*: (MIT|Apache-2\\.0)`, 'm'))
  }
  t.notRegex(notices, /residual-(spec|node|train)|see its text/)
  t.regex(notices, /Permission is hereby granted, free of charge/)
})

const PROGRAM = `
import { loadModel, type Prediction, type TrainConfig, type TrainResult, train } from 'residual'

const config: TrainConfig = {
  data: 'fashion-mnist-mini',
  model: 'resnet8',
  budget: { steps: 3 },
  batchSize: 16,
  precision: 'fp32',
  threads: 1,
  workers: undefined,
  seed: 1,
  out: 'runs/program',
}
const losses: number[] = []
let epochs = 0
const result: TrainResult = await train(config, {
  onStep: ({ loss }) => void losses.push(loss),
  onEpoch({ val }) {
    epochs += 1
    return (val?.accuracy ?? 0) > 0.99 ? 'stop' : undefined
  },
})
await using model = await loadModel(result.last)
const black = { data: new Uint8Array(28 * 28), width: 28, height: 28, channels: 1 } as const
const predictions: Prediction[] = await model.predict([black, black], { top: 2 })
const { stopReason } = result
console.log(JSON.stringify({ stopReason, losses, epochs, predictions }))
`

test.serial('a strict TypeScript program type-checks, trains and predicts', async (t) => {
  t.timeout(3 * MINUTES)
  writeFileSync(join(project, 'program.ts'), PROGRAM)
  const compilerOptions = {
    ...{ target: 'es2022', module: 'nodenext', types: ['node'] },
    typeRoots: [join(ROOT, 'node_modules', '@types')],
    ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
    skipLibCheck: false,
  }
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, files: ['program.ts'] }),
  )
  const compiled = await run(join(ROOT, 'node_modules', '.bin', 'tsc'), ['--project', project])
  t.is(compiled.status, 0, compiled.stdout)

  const { status, stdout, stderr } = await run(process.execPath, ['program.js'])
  t.is(status, 0, stderr)
  const { stopReason, losses, predictions } = JSON.parse(stdout)
  t.is(stopReason, 'budget')
  t.true(losses.length > 0 && losses.every((loss: number) => loss > 0))
  t.is(predictions.length, 2)
  t.deepEqual(predictions[0], predictions[1])
  const classes = readFileSync(installed('residual/data/fashion-mnist-mini/classes.txt'), 'utf8')
  t.true(classes.split('\n').includes(predictions[0].label))
})

test.serial('a CommonJS program can require the package', async (t) => {
  writeFileSync(
    join(project, 'program.cjs'),
    "const { inspect } = require('residual')\n" +
      "inspect('resnet18').then(({ parameters }) => console.log(parameters))\n",
  )
  const { status, stdout, stderr } = await run(process.execPath, ['program.cjs'])
  t.is(status, 0, stderr)
  t.is(stdout, '11689512\n')
})

test.serial('npx runs the command', async (t) => {
  t.timeout(3 * MINUTES)
  t.is((await npx('--version')).stdout, `${MANIFEST.version}\n`)
  t.regex((await npx('inspect', 'resnet18')).stdout, /11,689,512/)

  const { status, stdout, stderr } = await npx(...tiny('runs/npx'), '--json')
  t.is(status, 0, stderr)
  const events: RunEvent[] = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  const last = events.at(-1)
  t.is(last?.type === 'end' && last.result.stopReason, 'budget')
})

/** Creates an `xdg-open` that only records the opened page; returns a PATH that contains it. */
function pathWithOpener(path: string | undefined): string {
  const bin = join(project, 'bin')
  mkdirSync(bin, { recursive: true })
  writeFileSync(join(bin, 'xdg-open'), '#!/bin/sh\necho "$1" > opened\n', { mode: 0o755 })
  return [bin, installed('.bin'), path].join(':')
}

test.serial('creates the image folder of the transcripts', (t) => {
  imageFolder(project, ['left', 'middle', 'right'])
  t.is(readdirSync(join(project, 'photos')).length, 3)
})

for (const transcript of readTranscripts(join(ROOT, '__test__', 'install', 'transcripts'))) {
  test.serial(`transcript: ${transcript.title}`, async (t) => {
    t.timeout(3 * MINUTES)
    const PATH = pathWithOpener(env.PATH)
    await runTranscript(t, transcript, project, { ...env, PATH, NO_COLOR: '1' })
  })
}

test.serial('a missing platform package is reported with an install hint', async (t) => {
  for (const [folder, code] of [
    [LIBTORCH, 'E_LIBTORCH'],
    [ADDONS, 'E_PLATFORM'],
  ] as const) {
    const aside = join(project, 'aside')
    renameSync(folder, aside)
    const { status, stderr } = await npx(...tiny('runs/missing')).finally(() =>
      renameSync(aside, folder),
    )
    t.is(status, 3, stderr)
    t.true(stderr.includes(`(${code})`), stderr)
    t.true(stderr.includes(`@residual/${basename(folder)} is not installed`), stderr)
    t.true(stderr.includes('npm install --include=optional'), stderr)
  }
})

test.serial('rejects a truncated libtorch instead of crashing', async (t) => {
  const library = join(LIBTORCH, 'lib', 'libtorch_cpu.so')
  const aside = join(project, 'aside')
  renameSync(library, aside)
  copyFileSync(aside, library)
  truncateSync(library, 300_000_000)
  const { status, signal, stderr } = await npx(...tiny('runs/truncated')).finally(() =>
    renameSync(aside, library),
  )
  t.is(signal, null)
  t.is(status, 3, stderr)
  t.regex(stderr, /libtorch_cpu\.so is truncated: .*\(E_LIBTORCH\)/)
  t.regex(stderr, /Delete node_modules, and run `npm (ci|install)`/)
})
