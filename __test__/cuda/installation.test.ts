import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import promises from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { basename, dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { linkPython } from '#dist/cuda/install.js'
import { findPythonTorch } from '#dist/cuda/sources/python-torch.js'
import {
  changeInstallation,
  isPresent,
  removeInstallation,
  replaceInstallation,
} from '#dist/cuda/staging.js'
import { verifyInstallation } from '#dist/cuda/verify-installation.js'
import {
  type CudaManifest,
  installedCudaLibrary,
  readCudaInstallation,
} from '#dist/native/cuda-installation.js'
import { hostSystem, type System } from '#dist/native/system.js'
import { ROOT, residual } from '../child.js'
import { tempFolder } from '../tiny.js'

const CONTENT = 'library'
const LIBRARIES = ['torch/lib/libtorch_cpu.so', 'torch/lib/libtorch_cuda.so']

/** Installs two files in `<cache>/libtorch/...`, where the package looks for them. */
async function install(t: ExecutionContext) {
  const cache = tempFolder(t)
  const folder = join(cache, 'libtorch', `2.11.0-cu130-${process.platform}-${process.arch}`)
  await changeInstallation(folder, {}, () => replaceInstallation(folder, fill))
  return { cache, folder }
}

async function fill(staging: string): Promise<CudaManifest> {
  const { createHash } = await import('node:crypto')
  const sha256 = createHash('sha256').update(CONTENT).digest('hex')
  for (const path of LIBRARIES) writeText(join(staging, path), CONTENT)
  const files = LIBRARIES.map((path) => ({ path, bytes: CONTENT.length, sha256 }))
  return { format: 1, libtorch: '2.11.0', cuda: '13.0', source: 'download', root: null, files }
}

function writeText(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

/** Returns this machine with a driver of NVIDIA. */
function machineWithDriver(version: number): System {
  const driver = `NVRM version: NVIDIA UNIX x86_64 Kernel Module  ${version}.65.06  Mon\n`
  return {
    ...hostSystem,
    read: (path) => (path === '/proc/driver/nvidia/version' ? driver : hostSystem.read(path)),
    exists: (path) => path === '/usr/lib64/libcuda.so.1' || hostSystem.exists(path),
  }
}

test.serial('an installation that cannot be replaced remains as it was', async (t) => {
  const { folder } = await install(t)
  const { rename } = promises
  promises.rename = async (from, to) => {
    if (basename(String(from)) === 'new') throw Object.assign(new Error('busy'), { code: 'EBUSY' })
    await rename(from, to)
  }
  syncBuiltinESMExports()
  t.teardown(() => {
    promises.rename = rename
    syncBuiltinESMExports()
  })
  const replace = () => changeInstallation(folder, {}, () => replaceInstallation(folder, fill))
  await t.throwsAsync(replace, { message: /busy/ })
  t.true((await verifyInstallation(folder)).ok)
})

test('verification finds each kind of damage', async (t) => {
  const damages: [(file: string, folder: string) => void, RegExp | undefined][] = [
    [() => {}, undefined],
    [(file) => rmSync(file), /missing/],
    [(file) => truncateSync(file, 3), /3 bytes instead of 7/],
    [(file) => writeFileSync(file, 'LIBRARY'), /SHA-256 [0-9a-f]{64} instead of/],
    [(_, folder) => rmSync(join(folder, 'manifest.json')), /missing or damaged/],
    [(_, folder) => writeFileSync(join(folder, 'manifest.json'), '{"format": 1'), /damaged/],
  ]
  for (const [damage, problem] of damages) {
    const { folder, cache } = await install(t)
    damage(join(folder, 'torch', 'lib', 'libtorch_cuda.so'), folder)
    const { ok, files } = await verifyInstallation(folder)
    t.is(ok, problem === undefined)
    if (problem !== undefined) {
      const damaged = files.filter(({ ok }) => !ok)
      t.is(damaged.length, 1)
      t.regex(damaged[0]?.problem ?? '', problem)
    }
    const { status, stdout } = await residual(['setup', '--cuda', '--verify'], {
      env: { RESIDUAL_CACHE: cache, PATH: '/none' },
    })
    t.is(status, problem === undefined ? 0 : 3, stdout)
    if (problem === undefined) continue
    t.regex(stdout, problem)
    t.regex(stdout, /again: `npx residual setup --cuda --remove`, then `npx residual setup --cuda`/)
  }
})

test('a missing, truncated or grown file is found before the libraries are loaded', async (t) => {
  for (const damage of [rmSync, (file: string) => truncateSync(file, 3)]) {
    const { folder } = await install(t)
    t.is(readCudaInstallation(folder)?.status, 'complete')
    damage(join(folder, 'torch', 'lib', 'libtorch_cuda.so'))
    t.is(readCudaInstallation(folder)?.status, 'damaged')
  }
  const { folder } = await install(t)
  rmSync(join(folder, 'manifest.json'))
  t.is(readCudaInstallation(folder)?.status, 'damaged')
  t.is(readCudaInstallation(join(folder, 'none')), undefined)
})

test('a failure keeps the earlier installation', async (t) => {
  const { folder } = await install(t)
  const failing = changeInstallation(folder, {}, () =>
    replaceInstallation(folder, async (staging) => {
      writeText(join(staging, 'torch', 'lib', 'libtorch_cpu.so'), 'newer')
      throw new Error('fails')
    }),
  )
  await t.throwsAsync(failing, { message: 'fails' })
  t.is(readCudaInstallation(folder)?.status, 'complete')
  t.true((await verifyInstallation(folder)).ok)
})

test.serial(
  'libtorch is taken from the installation if a driver and the device allow CUDA',
  async (t) => {
    const { cache, folder } = await install(t)
    t.teardown(() => {
      delete process.env.RESIDUAL_CACHE
    })
    process.env.RESIDUAL_CACHE = cache
    const library = join(folder, 'torch', 'lib', 'libtorch_cpu.so')
    const find = (device: 'cpu' | 'cuda' | 'auto', driver: number) =>
      installedCudaLibrary(device, 'libtorch_cpu.so', machineWithDriver(driver))
    t.is(find('auto', 580), library)
    t.is(find('cuda', 590), library)
    t.is(find('cpu', 580), undefined)
    t.is(find('auto', 570), undefined, 'the driver is too old')
    t.is(
      installedCudaLibrary('auto', 'libtorch_cpu.so', { ...hostSystem, read: () => undefined }),
      undefined,
    )
    truncateSync(library, 3)
    t.is(find('auto', 580), undefined, 'the installation is damaged')
  },
)

test('removes the installation and its downloads', async (t) => {
  const { cache, folder } = await install(t)
  writeText(join(`${folder}.downloads`, 'x.whl.part'), 'part')
  writeText(join(`${folder}.staging-killed`, 'new', 'x'), 'x')
  const env = { RESIDUAL_CACHE: cache }
  const removed = await residual(['setup', '--cuda', '--remove'], { env })
  t.is(removed.status, 0, removed.stderr)
  t.is(removed.stdout, `removed ${folder}\n`)
  t.false(await isPresent(folder))
  const again = await residual(['setup', '--cuda', '--remove', '--json'], { env })
  t.is(again.stdout, '{"removed":null}\n')
  const verified = await residual(['setup', '--cuda', '--verify'], { env })
  t.is(verified.status, 3)
  t.regex(verified.stderr, /no CUDA libraries are installed.*E_LIBTORCH/)
  await changeInstallation(folder, {}, () => removeInstallation(folder))
})

/** Writes the files of a PyTorch into a folder of Python's packages. */
function writePyTorch(packages: string, version = '2.11.0+cu130', cuda = "'13.0'"): void {
  const source = `__version__ = '${version}'\ncuda: Optional[str] = ${cuda}\n`
  writeText(join(packages, 'torch', 'version.py'), source)
  for (const path of LIBRARIES) writeText(join(packages, path), CONTENT)
  writeText(join(packages, 'nvidia', 'cu13', 'lib', 'libcudart.so.13'), 'cudart')
  const record = 'torch/lib/libtorch_cpu.so,sha256=D3O46A,7\ntorch/__init__.py,,\n'
  writeText(join(packages, 'torch-2.11.0.dist-info', 'RECORD'), record)
}

test('finds a PyTorch of the required version by its files', (t) => {
  const find = (version: string, cuda: string) => {
    const packages = tempFolder(t)
    writePyTorch(packages, version, cuda)
    symlinkSync('/nowhere', join(packages, 'torch', 'lib', 'libgomp.so.1'))
    const python = { prefix: '/', packageDirs: ['/none', packages], defaultIndex: undefined }
    return findPythonTorch(hostSystem, [python])
  }
  const { torch } = find('2.11.0+cu130', "'13.0'")
  t.deepEqual(torch?.files, [
    { path: LIBRARIES[0], bytes: 7, sha256: '0f73b8e8' },
    { path: LIBRARIES[1], bytes: 7, sha256: null },
    { path: 'nvidia/cu13/lib/libcudart.so.13', bytes: 6, sha256: null },
  ])
  for (const [version, cuda, reason] of [
    ['2.9.1+cu128', "'12.8'", /is 2\.9\.1\+cu128; 2\.11\.0 for CUDA 13 is required/],
    ['2.11.0+cu128', "'12.8'", /is for CUDA 12\.8/],
    ['2.11.0+cpu', 'None', /is a build without CUDA/],
  ] as const) {
    const found = find(version, cuda)
    t.is(found.torch, undefined)
    t.regex(found.rejected[0] ?? '', reason)
  }
})

test('a PyTorch is used in its folder, until it changes', async (t) => {
  const packages = tempFolder(t)
  writePyTorch(packages)
  const python = { prefix: '/', packageDirs: [packages], defaultIndex: undefined }
  const { torch } = findPythonTorch(hostSystem, [python])
  t.truthy(torch)
  const folder = join(tempFolder(t), 'libtorch', 'cuda')
  const tryLoading = async (root: string) => (root === torch?.root ? undefined : root)
  await linkPython(folder, torch?.root ?? '', torch?.files ?? [], { tryLoading })
  t.like(readCudaInstallation(folder), { status: 'complete', root: torch?.root })
  writePyTorch(packages)
  writeFileSync(join(packages, 'torch', 'lib', 'libtorch_cuda.so'), 'upgraded')
  t.regex(JSON.stringify(readCudaInstallation(folder)), /damaged.*8 bytes instead of 7/)
  await changeInstallation(folder, {}, () => removeInstallation(folder))
  t.true(hostSystem.exists(join(packages, 'torch', 'version.py')), 'Python is not changed')
})

test('the command shows the plan, and installs nothing without consent', async (t) => {
  const cache = tempFolder(t)
  const env = { RESIDUAL_CACHE: cache, PATH: '/none', LIBTORCH: '', RESIDUAL_LIBTORCH: '' }
  const plan = await residual(['setup', '--cuda', '--dry-run'], { env })
  t.is(plan.status, 0, plan.stderr)
  t.regex(plan.stdout, /download +2\.5 GB\n/)
  t.regex(plan.stdout, /disk +6\.3 GB while installing, 3\.8 GB afterwards/)
  t.regex(plan.stdout, /LicenseRef-NVIDIA-Proprietary: nvidia-cublas/)
  const json = JSON.parse(
    (await residual(['setup', '--cuda', '--dry-run', '--json'], { env })).stdout,
  )
  t.like(json, { source: 'download', downloadedBytes: 0, python: null, overriddenBy: null })
  const refused = await residual(['setup', '--cuda'], { env })
  t.is(refused.status, 2)
  t.regex(refused.stderr, /must be accepted.*E_USAGE/s)
  const bare = await residual(['setup'], { env })
  t.is(bare.status, 2)
  t.regex(bare.stderr, /run `.*residual setup --cuda`/)
  const bundle = await residual(['setup', '--cuda', '--yes', '--bundle', '/none'], { env })
  t.is(bundle.status, 2)
  t.regex(bundle.stderr, /there is no folder \/none with wheels/)
  t.false(hostSystem.exists(join(cache, 'libtorch')))
  const mac = ['setup', '--cuda', '--dry-run', '--download-only', cache, '--platform']
  const unsupported = await residual([...mac, 'darwin-arm64'], { env })
  t.is(unsupported.status, 3)
  t.regex(unsupported.stderr, /no CUDA libraries for darwin-arm64.*macOS has no CUDA/s)
  const other = await residual(['setup', '--cuda', '--platform', 'linux-arm64-gnu'], { env })
  t.is(other.status, 2)
  t.regex(other.stderr, /--platform can only be used with --download-only/)
  for (const [option, action] of [
    ['--bundle', '--remove'],
    ['--bundle', '--verify'],
    ['--bundle', '--download-only'],
    ['--index-url', '--remove'],
    ['--index-url', '--verify'],
    ['--index-url', '--bundle'],
  ] as const) {
    const args = ['setup', '--cuda', '--dry-run', option, cache, action]
    if (action === '--remove' || action === '--verify') args.splice(2, 1)
    else args.push(cache)
    const unused = await residual(args, { env })
    t.is(unused.status, 2, unused.stdout)
    t.true(unused.stderr.includes(`${option} has no effect with ${action}`), unused.stderr)
  }
  const quiet = await residual(['setup', '--cuda', '--quiet'], { env })
  t.regex(quiet.stderr, /BSD-3-Clause: torch/, 'the licenses to accept')
  const arm = await residual([...mac, 'linux-arm64-gnu'], { env })
  t.is(arm.status, 0)
  t.regex(arm.stdout, /disk +\d\.\d GB\n/, 'nothing is installed')
})

test('Ctrl-D and Ctrl-C at the question install nothing', async (t) => {
  if (spawnSync('script', ['--version']).status !== 0) {
    t.log('skipped: the program `script`, which creates a terminal, is not installed')
    return t.pass()
  }
  const cache = tempFolder(t)
  const env = { ...process.env, RESIDUAL_CACHE: cache, CI: '' }
  const command = `'${process.execPath}' '${ROOT}dist/cli/main.js' setup --cuda --no-python`
  for (const [key, output, status] of [
    ['\x04', /continue\? \[y\/N\] .*\r\nnothing was installed\s*$/, 1],
    ['\x03', /continue\? \[y\/N\] .*\s*$/, 130],
  ] as const) {
    const terminal = spawn('script', ['-qec', command, '/dev/null'], { env })
    let text = ''
    let isAnswered = false
    terminal.stdout.setEncoding('utf8').on('data', (chunk) => {
      text += chunk
      if (isAnswered || !text.includes('[y/N]')) return
      isAnswered = true
      terminal.stdin.write(key)
    })
    const [code] = await once(terminal, 'close')
    t.regex(text, output)
    t.is(code, status, text)
    t.deepEqual(readdirSync(cache), [])
  }
})
