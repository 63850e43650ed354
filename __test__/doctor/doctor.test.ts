import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { type Check, type Diagnosis, doctor } from 'residual'
import { checkCpu } from '#dist/doctor/cpu-checks.js'
import { checkCuda } from '#dist/doctor/cuda-check.js'
import { probeLibtorch } from '#dist/doctor/installation-checks.js'
import { missingCudaRequirement } from '#dist/native/cuda-requirements.js'
import type { System } from '#dist/native/system.js'
import { residual, script } from '../child.js'
import { tempFolder, tinyConfig } from '../tiny.js'

/** Returns a machine that has only the given files and no programs. */
function machine(files: Record<string, string> = {}): System {
  const paths = Object.keys(files)
  return {
    read: (path) => files[path],
    list: (path) => [
      ...new Set(
        paths
          .filter((file) => file.startsWith(`${path}/`))
          .map((file) => file.slice(path.length + 1).split('/')[0] ?? ''),
      ),
    ],
    exists: (path) => paths.some((file) => file === path || file.startsWith(`${path}/`)),
    run: async () => undefined,
  }
}

const GPU = {
  '/sys/bus/pci/devices/0000:00:1e.0/vendor': '0x10de\n',
  '/sys/bus/pci/devices/0000:00:1e.0/class': '0x030200\n',
}
const driver = (version: string) => ({
  '/proc/driver/nvidia/version': `NVRM version: NVIDIA UNIX x86_64 Kernel Module  ${version}.12  Mon\n`,
})
const LIBRARY = { '/usr/lib64/libcuda.so.1': '' }
const LIBTORCH = '/libtorch/lib/libtorch_cpu.so'

test('the first missing requirement of CUDA is named with a hint', (t) => {
  const machines: [Record<string, string>, RegExp, RegExp | undefined][] = [
    [{}, /no NVIDIA GPU/, undefined],
    [GPU, /driver is not loaded/, /580 or later/],
    [{ ...GPU, ...driver('535') }, /driver 535 is too old/, /580 or later/],
    [{ ...GPU, ...driver('580') }, /libcuda\.so\.1 is not installed/, /libraries too/],
    [{ ...GPU, ...driver('580'), ...LIBRARY }, /CUDA libraries are not/, /residual setup --cuda/],
  ]
  for (const [files, detail, hint] of machines) {
    const missing = missingCudaRequirement(machine(files), LIBTORCH)
    t.regex(missing?.detail ?? '', detail)
    if (hint === undefined) t.is(missing?.hint, undefined)
    else t.regex(missing?.hint ?? '', hint)
  }
  const complete = { ...GPU, ...driver('581'), ...LIBRARY, '/libtorch/lib/libtorch_cuda.so': '' }
  t.is(missingCudaRequirement(machine(complete), LIBTORCH), undefined)
  const builtFor = (cuda: string) =>
    missingCudaRequirement(
      machine({ ...complete, '/libtorch/version.py': `cuda: Optional[str] = '${cuda}'\n` }),
      LIBTORCH,
    )
  t.is(builtFor('13.0'), undefined)
  t.regex(builtFor('12.8')?.detail ?? '', /CUDA 12\.8, not 13/)
})

test('warns about an incomplete CUDA installation, but not about a missing GPU', async (t) => {
  const statuses = async (files: Record<string, string>, isAvailable = false) =>
    (await checkCuda(machine(files), isAvailable)).map(({ name, status }) => `${name} ${status}`)
  t.deepEqual(await statuses({}), ['CUDA off'])
  t.deepEqual(await statuses(GPU), ['CUDA warn'])
  t.deepEqual(await statuses({ ...GPU, ...driver('535') }), ['CUDA driver warn', 'CUDA warn'])
  t.deepEqual(await statuses({ ...GPU, ...driver('580') }, true), ['CUDA driver pass', 'CUDA pass'])
})

test('names driver, GPU, compute capability and runtime', async (t) => {
  const complete = { ...GPU, ...driver('580'), ...LIBRARY }
  const withGpu = (...capabilities: string[]) => ({
    ...machine(complete),
    run: async (program: string, args: readonly string[]) =>
      program === 'nvidia-smi' && args[0]?.includes('compute_cap')
        ? capabilities.map((text) => `NVIDIA T4, 15360 MiB, 580.95.05, ${text}\n`).join('')
        : undefined,
  })
  const [driverCheck] = await checkCuda(withGpu('7.5'), true)
  t.like(driverCheck, {
    status: 'pass',
    detail: 'NVIDIA T4, 15360 MiB, driver 580.95.05, compute capability 7.5',
  })
  const old = (await checkCuda(withGpu('7.0'), true)).at(-1)
  t.is(old?.status, 'warn')
  t.regex(old?.detail ?? '', /CUDA 13\.0 does not support NVIDIA T4 \(compute capability 7\.0\)/)
  const mixed = (await checkCuda(withGpu('8.0', '6.1'), true)).at(-1)
  t.is(mixed?.status, 'pass', 'a newer GPU is used')
})

test.serial('an installation is named, and its damage is the first problem', async (t) => {
  const cache = tempFolder(t)
  const folder = join(cache, 'libtorch', `2.11.0-cu130-${process.platform}-${process.arch}`)
  mkdirSync(folder, { recursive: true })
  const manifest = { format: 1, libtorch: '2.11.0', cuda: '13.0', source: 'download', root: null }
  const files = [{ path: 'x.so', bytes: 1, sha256: null }]
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ ...manifest, files }))
  const saved = { ...process.env }
  t.teardown(() => {
    process.env = saved
  })
  process.env = { ...saved, RESIDUAL_CACHE: cache, LIBTORCH: '', RESIDUAL_LIBTORCH: '' }
  const complete = machine({ ...GPU, ...driver('580'), ...LIBRARY })
  const find = async (name: string) =>
    (await checkCuda(complete, false)).find((check) => check.name === name)
  t.like(await find('CUDA runtime'), {
    status: 'warn',
    detail: `${join(folder, 'x.so')} is missing`,
  })
  t.regex((await find('CUDA'))?.detail ?? '', /cannot be used: .*x\.so is missing/)
  t.regex(
    (await find('CUDA'))?.hint ?? '',
    /install them again, run `(npx )?residual setup --cuda`/,
  )
  writeFileSync(join(folder, 'x.so'), 'x')
  t.like(await find('CUDA runtime'), {
    status: 'pass',
    detail: `CUDA 13.0, libtorch 2.11.0 in ${folder}`,
  })
  const bare = (await checkCuda(machine(), false)).at(-1)
  t.is(bare?.status, 'off')
  t.regex(bare?.detail ?? '', /libraries are installed, but this machine has no NVIDIA driver/)
  t.regex(bare?.hint ?? '', /Install NVIDIA driver 580 or later/)
})

test('reports the CPU, the automatic precision, and the CPU limit of a container', (t) => {
  const environment = (bf16: boolean) => ({
    libtorch: '2.11.0',
    cpuCapability: 'AVX512',
    machine: { cores: 8, bf16, cuda: false },
  })
  const checksOf = (
    vendor: string,
    flags: string,
    more: Record<string, string> = {},
    bf16 = false,
  ) => {
    const info = `vendor_id\t: ${vendor}\nmodel name\t: X\nflags\t\t: fpu ${flags}\n`
    const checks = checkCpu(machine({ '/proc/cpuinfo': info, ...more }), environment(bf16))
    return Object.fromEntries(checks.map((check) => [check.name, check])) as Record<string, Check>
  }
  const intel = checksOf('GenuineIntel', 'avx2 avx512f avx512_bf16')
  t.like(intel.CPU, { status: 'pass', detail: 'X, AVX512' })
  t.regex(intel.precision?.detail ?? '', /^fp32: Intel's/)
  const amx = checksOf('GenuineIntel', 'avx2 avx512f avx512_bf16 amx_bf16', {}, true)
  t.regex(amx.precision?.detail ?? '', /^bf16: the AMX/)
  t.regex(
    checksOf('AuthenticAMD', 'avx2 avx512f avx512_bf16', {}, true).precision?.detail ?? '',
    /^bf16/,
  )
  const precisionOnGpu = (cudaBf16: boolean) => {
    const hardware = { cores: 8, bf16: false, cuda: true, cudaBf16 }
    const checks = checkCpu(machine({}), { ...environment(false), machine: hardware })
    return checks.find(({ name }) => name === 'precision')?.detail ?? ''
  }
  t.regex(precisionOnGpu(true), /^bf16: this GPU/)
  t.regex(precisionOnGpu(false), /^fp32 /)
  t.is(checksOf('GenuineIntel', 'sse2').CPU?.status, 'warn')
  const arm = checkCpu(
    machine({ '/proc/cpuinfo': 'Features\t: fp asimd crc32\nCPU implementer\t: 0x41\n' }),
    { ...environment(false), cpuCapability: 'DEFAULT' },
  )
  t.like(arm[0], { name: 'CPU', status: 'pass', detail: 'unknown model, NEON' })
  t.regex(arm[1]?.detail ?? '', /^fp32: .* Arm has not been measured$/)
  const limited = checksOf('GenuineIntel', 'avx2', { '/sys/fs/cgroup/cpu.max': '250000 100000\n' })
  t.like(limited.threads, { status: 'warn', hint: 'Train with `threads=2 workers=2`.' })
  const unlimited = checksOf('GenuineIntel', 'avx2', { '/sys/fs/cgroup/cpu.max': 'max 100000\n' })
  t.is(unlimited.threads?.status, 'pass')
})

test('every check passes on a machine that can train', async (t) => {
  const { ok, version, checks } = await doctor()
  t.true(ok, JSON.stringify(checks))
  t.regex(version, /^\d+\.\d+\.\d+/)
  const names = checks.map(({ name }) => name)
  for (const name of ['platform', 'glibc', 'addon', 'libtorch', 'CUDA', 'CPU', 'memory', 'disk']) {
    t.true(names.includes(name), name)
  }
  t.regex(checks.find(({ name }) => name === 'libtorch')?.detail ?? '', /^version 2\.11\.0, \d+ MB/)
})

test('without libtorch the doctor prints a hint and exits with status 3', async (t) => {
  const env = { RESIDUAL_LIBTORCH: tempFolder(t) }
  const { status, stdout, stderr } = await residual(['doctor'], { env })
  t.is(status, 3, stderr)
  t.regex(stdout, /^✗ libtorch .*has no lib\/libtorch_cpu\.so\n +Unset RESIDUAL_LIBTORCH/m)
  t.regex(stdout, /cannot train on this machine: fix/)
  const json = await residual(['doctor', '--json'], { env })
  t.is(json.status, 3)
  const diagnosis: Diagnosis = JSON.parse(json.stdout)
  t.false(diagnosis.ok)
  t.deepEqual(
    diagnosis.checks.filter(({ status }) => status === 'fail').map(({ name }) => name),
    ['libtorch'],
  )
})

test('a libtorch that crashes on loading does not crash the caller', async (t) => {
  const program = join(tempFolder(t), 'crash.mjs')
  writeFileSync(program, "process.kill(process.pid, 'SIGILL'); setInterval(() => {}, 1000)")
  t.deepEqual(await probeLibtorch(program), { crashed: 'is killed by SIGILL' })
  writeFileSync(program, 'process.exit(7)')
  t.deepEqual(await probeLibtorch(program), { crashed: 'exits with status 7 without output' })
})

test('device cuda without CUDA is an error that names the missing requirement', async (t) => {
  const { checks } = await doctor()
  if (checks.some(({ name, status }) => name === 'CUDA' && status === 'pass')) {
    t.log('skipped: this machine has CUDA')
    return t.pass()
  }
  const config = tinyConfig(t)
  const { stdout, stderr } = await script(
    `import { findLr, plan, train } from 'residual'
    const config = ${JSON.stringify({ ...config, device: 'cuda' })}
    for (const call of [train, findLr, plan]) {
      await call(config).then(
        () => console.log('trained'),
        ({ code, message, at, hint }) => console.log(JSON.stringify({ code, message, at, hint })),
      )
    }`,
  )
  const errors = stdout.trimEnd().split('\n')
  t.is(errors.length, 3, stderr)
  for (const text of errors) {
    const { code, message, at, hint } = JSON.parse(text)
    t.is(code, 'E_DEVICE')
    t.is(at.key, 'device')
    t.regex(message, /^no CUDA device is available: .+/)
    t.regex(hint, /Omit `device` to train on the CPU.*`(npx )?residual doctor`/)
  }
  const parent = tempFolder(t)
  mkdirSync(join(parent, 'x'))
  const { status, stderr: trainError } = await residual([
    ...['train', (config.data as { source: string }).source, 'device=cuda'],
    ...['--out', join(parent, 'run')],
  ])
  t.is(status, 3)
  t.regex(trainError, /\(E_DEVICE\)/)
})
