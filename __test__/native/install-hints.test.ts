import { copyFileSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { ResidualError } from 'residual'
import { enclosingArchive } from '#dist/native/loading/asar.js'
import { explainRejection } from '#dist/native/loading/check-library.js'
import { emulator } from '#dist/native/loading/emulation.js'
import { explainMissing, findProject } from '#dist/native/loading/install-hints.js'
import { readLibraryFile } from '#dist/native/loading/library-file.js'
import { sharedLibtorch } from '#dist/native/loading/loaded-libraries.js'
import { assertProcessor } from '#dist/native/loading/processor.js'
import { platformOf } from '#dist/native/platform.js'
import type { System } from '#dist/native/system.js'
import { ROOT, script } from '../child.js'
import { tempFolder } from '../tiny.js'

const LOCKFILES = {
  npm: 'package-lock.json',
  pnpm: 'pnpm-lock.yaml',
  yarn: 'yarn.lock',
  bun: 'bun.lock',
} as const

const NAME = '@residual/linux-x64-gnu'

/** Lockfiles that list the package, with their dependents, as the package managers write them. */
const LOCKED: Record<keyof typeof LOCKFILES, string> = {
  npm: `{ "packages": {
    "node_modules/residual": { "optionalDependencies": { "${NAME}": "0.1.0" } },
    "node_modules/${NAME}": { "version": "0.1.0", "optional": true } } }`,
  pnpm: `packages:\n  '${NAME}@0.1.0':\nsnapshots:\n  residual@0.1.0:\n    optionalDependencies:\n      '${NAME}': 0.1.0\n`,
  yarn: `"${NAME}@0.1.0":\n  version "0.1.0"\nresidual@0.1.0:\n  optionalDependencies:\n    "${NAME}" "0.1.0"\n`,
  bun: `{ "packages": {
    "${NAME}": ["${NAME}@0.1.0", "", {}],
    "residual": ["residual@0.1.0", "", { "optionalDependencies": { "${NAME}": "0.1.0" } }] } }`,
}

/** Lockfiles that list only the dependent: npm/cli#4828. */
const UNLOCKED: Record<keyof typeof LOCKFILES, string> = {
  npm: `{ "packages": { "node_modules/residual": { "optionalDependencies": { "${NAME}": "0.1.0" } } } }`,
  pnpm: `snapshots:\n  residual@0.1.0:\n    optionalDependencies:\n      '${NAME}': 0.1.0\n`,
  yarn: `residual@0.1.0:\n  optionalDependencies:\n    "${NAME}" "0.1.0"\n`,
  bun: `{ "packages": { "residual": ["residual@0.1.0", "", { "optionalDependencies": { "${NAME}": "0.1.0" } }] } }`,
}

/** Returns the hints of a package manager: omitted, copied from another platform, not locked. */
function hintsOf(manager: keyof typeof LOCKFILES, root: string) {
  const project = join(root, manager)
  const residual = join(project, 'node_modules', 'residual')
  mkdirSync(residual, { recursive: true })
  const explain = (lock: string, otherPlatforms: readonly string[]) => {
    writeFileSync(join(project, LOCKFILES[manager]), lock)
    const found = findProject(residual)
    if (found.manager !== manager) throw new Error(`${found.manager} in place of ${manager}`)
    return explainMissing({
      name: NAME,
      platform: 'linux-x64-gnu',
      otherPlatforms,
      project: found,
    })[1]
  }
  return [
    explain(LOCKED[manager], []),
    explain(LOCKED[manager], ['darwin-arm64']),
    explain(UNLOCKED[manager], ['darwin-arm64']),
  ] as const
}

test('the hint for a missing package is a command of the package manager in use', (t) => {
  const root = tempFolder(t)
  const expected = {
    npm: [
      /npm install --include=optional/,
      /`npm ci` on this machine/,
      /package-lock\.json, and run `npm install`/,
    ],
    pnpm: [
      /pnpm install --force` without `--no-optional`/,
      /supportedArchitectures/,
      /pnpm-lock\.yaml, and run `pnpm install`/,
    ],
    yarn: [
      /yarn install --force` without `--ignore-optional`/,
      /\.yarnrc\.yml/,
      /yarn\.lock, and run `yarn install`/,
    ],
    bun: [
      /bun install` without `--omit optional`/,
      /`bun install` on this machine/,
      /bun\.lock, and run `bun install`/,
    ],
  } as const
  for (const manager of ['npm', 'pnpm', 'yarn', 'bun'] as const) {
    hintsOf(manager, root).forEach((hint, index) => {
      t.regex(hint, expected[manager][index] as RegExp)
    })
  }
  t.deepEqual(findProject('/nowhere/node_modules/residual'), { manager: 'npm' })
})

test('a lockfile that cannot be read does not hide the error', (t) => {
  const lockfile = tempFolder(t) // reading a folder fails
  const missing = { name: NAME, platform: 'linux-x64-gnu', otherPlatforms: [] }
  const [message] = explainMissing({ ...missing, project: { manager: 'npm', lockfile } })
  t.is(message, `the package ${NAME} is not installed`)
})

test('an unsupported platform is explained', (t) => {
  const host =
    (name: string, cpu = '', glibc?: string) =>
    () =>
      platformOf({ name, glibc, cpuModel: () => cpu })
  for (const [call, message, hint] of [
    [host('linux-x64-musl'), /needs glibc.*musl/, /node:22-slim/],
    [host('linux-arm64-musl'), /needs glibc.*musl/, /node:22-slim/],
    [
      host('darwin-x64', 'VirtualApple @ 2.50GHz processor'),
      /Rosetta translates it/,
      /Install Node for Apple silicon/,
    ],
    [host('darwin-x64', 'Apple M3'), /Rosetta translates it/, /node -p process\.arch/],
    [
      host('darwin-x64', 'Intel(R) Core(TM) i7'),
      /for darwin-x64$/,
      /^Supported platforms: linux-x64-gnu/,
    ],
    [host('linux-ia32-gnu'), /32-bit program/, /64-bit/],
    [host('linux-x64-gnu', '', '2.27'), /has glibc 2\.27.*needs 2\.28/, /Debian 11/],
  ] as const) {
    const error = t.throws(call, { instanceOf: ResidualError })
    t.is(error?.code, 'E_PLATFORM')
    t.regex(error?.message ?? '', message)
    t.regex(error?.hint ?? '', hint)
  }
  for (const glibc of ['2.28', '2.41', '3.0']) t.is(host('linux-x64-gnu', '', glibc)().cpu, 'x64')
})

const machine = (files: Record<string, string>): System => ({
  read: (path) => files[path],
  list: () => [],
  exists: (path) => path in files,
  run: async () => undefined,
})

test('emulators are recognized by the program that runs this process', (t) => {
  const none = machine({ '/proc/cpuinfo': 'model name\t: AMD EPYC' })
  t.is(
    emulator(none, () => '/usr/bin/node'),
    undefined,
  )
  t.is(
    emulator(none, () => '/usr/bin/qemu-x86_64'),
    'qemu-x86_64',
  )
  t.is(
    emulator(none, () => '/run/rosetta/rosetta'),
    'rosetta',
  )
  const apple = machine({ '/proc/cpuinfo': 'model name\t: VirtualApple @ 2.50GHz' })
  const noProc = () => {
    throw new Error('ENOENT')
  }
  t.is(emulator(apple, noProc), 'Rosetta')
})

test('a processor without the instructions of libtorch is rejected', (t) => {
  const board = (features: string) => machine({ '/proc/cpuinfo': `Features\t: ${features}\n` })
  const error = t.throws(() => assertProcessor(board('fp asimd aes crc32'), 'arm64'))
  t.like(error, { code: 'E_PLATFORM', at: { file: '/proc/cpuinfo' } })
  t.regex(error?.message ?? '', /no atomic instructions \(LSE\)/)
  t.notThrows(() => assertProcessor(board('fp asimd aes atomics'), 'arm64'))
  t.notThrows(() => assertProcessor(board('fp asimd'), 'x64'))
  t.notThrows(() => assertProcessor(machine({}), 'arm64'))
})

test('libraries of all formats are read, complete and truncated', (t) => {
  const folder = tempFolder(t)
  for (const [platform, format] of [
    ['linux/x64', 'elf'],
    ['linux/arm64', 'elf'],
    ['darwin/arm64', 'mach-o'],
    ['win32/x64', 'pe'],
    ['win32/arm64', 'pe'],
  ] as const) {
    const addon = `onnxruntime-node/bin/napi-v6/${platform}/onnxruntime_binding.node`
    const path = join(folder, platform.replace('/', '-'))
    copyFileSync(join(ROOT, 'node_modules', addon), path)
    const library = readLibraryFile(path)
    t.is(library?.format, format)
    t.deepEqual(library?.architectures, [platform.split('/')[1]])
    const required = library?.requiredSize ?? 0
    t.true(required > 1000 && required <= (library?.size ?? 0), `${platform}: ${required}`)
    truncateSync(path, required - 1)
    t.is(readLibraryFile(path)?.requiredSize, required)
    truncateSync(path, 66)
    t.is(readLibraryFile(path)?.requiredSize, undefined)
  }
})

test('a header that names an offset outside the file is truncated', (t) => {
  const path = join(tempFolder(t), 'library.so')
  const bytes = Buffer.alloc(256)
  bytes.write('\x7fELF\x02\x01', 'latin1')
  bytes.writeUInt16LE(62, 18) // x64
  bytes.writeBigUInt64LE(0xffff_ffff_ffff_0000n, 32) // offset of the table
  bytes.writeUInt16LE(1, 56) // entries in the table
  writeFileSync(path, bytes)
  const expected = { format: 'elf', architectures: ['x64'], size: 256, requiredSize: undefined }
  t.deepEqual(readLibraryFile(path) as object, expected)
})

test('a library in an archive is distinguished from one in a folder with such a name', (t) => {
  const root = tempFolder(t)
  const [file, folder] = [join(root, 'cache.zip'), join(root, 'project.zip')]
  writeFileSync(file, 'PK')
  mkdirSync(folder)
  t.is(enclosingArchive(join(file, 'node_modules', 'x.node')), file)
  t.is(enclosingArchive(join(folder, 'x.node')), undefined)
  t.is(enclosingArchive(join(root, 'app.asar', 'x.node')), join(root, 'app.asar'))
})

test('a universal Mach-O file has the architectures of its libraries', (t) => {
  const path = join(tempFolder(t), 'universal')
  const bytes = Buffer.alloc(8 + 2 * 20)
  // Magic and count; then CPU, subtype, offset, size and alignment of each library.
  const entries = [0x1000007, 3, 4096, 500, 12, 0x100000c, 0, 8192, 700, 14]
  for (const [index, value] of [0xcafebabe, 2, ...entries].entries()) {
    bytes.writeUInt32BE(value, 4 * index)
  }
  writeFileSync(path, bytes)
  t.deepEqual(readLibraryFile(path), {
    format: 'mach-o',
    architectures: ['x64', 'arm64'],
    size: 48,
    requiredSize: 8892,
  })
})

test('a broken link beside libtorch is reported with its path', async (t) => {
  const root = tempFolder(t)
  mkdirSync(join(root, 'lib'))
  const addon = `onnxruntime-node/bin/napi-v6/linux/${process.arch}/onnxruntime_binding.node`
  copyFileSync(join(ROOT, 'node_modules', addon), join(root, 'lib', 'libtorch_cpu.so'))
  symlinkSync('/nowhere', join(root, 'lib', 'libgomp.so.1'))
  const source = `
    import { loadLibtorch } from '#dist/native/libtorch.js'
    try { loadLibtorch() } catch ({ code, message }) { console.log(code, message) }`
  const { stdout, stderr } = await script(source, { env: { RESIDUAL_LIBTORCH: root } })
  t.is(stderr, '')
  t.regex(stdout, /^E_LIBTORCH .*libgomp\.so\.1 is a broken link\n$/)
})

test('a loaded copy of the same libtorch is used, and another one is an error', (t) => {
  const root = tempFolder(t)
  const install = (name: string, content: string) => {
    mkdirSync(join(root, name))
    for (const file of ['libtorch_cpu.so', 'libc10.so'])
      writeFileSync(join(root, name, file), content)
    return join(root, name, 'libtorch_cpu.so')
  }
  const [own, copy, other] = [install('own', 'A'), install('copy', 'A'), install('other', 'B')]
  const loaded = (library: string) => [
    library,
    join(library, '..', 'libc10.so'),
    '/usr/lib/libc.so.6',
  ]
  t.is(sharedLibtorch(own, []), own)
  t.is(sharedLibtorch(own, loaded(own)), own)
  t.is(sharedLibtorch(own, loaded(copy)), copy)
  t.throws(() => sharedLibtorch(own, loaded(other)), { code: 'E_LIBTORCH' })
})

test('messages of the dynamic loader are explained', (t) => {
  const explain = (reason: string) => explainRejection('/app/x.node', reason, machine({})).join(' ')
  t.regex(
    explain(
      "/usr/lib/libstdc++.so.6: version `GLIBCXX_3.4.29' not found (required by /app/x.node)",
    ),
    /needs GLIBCXX 3\.4\.29, and this system has an older version.*Debian 11/,
  )
  t.regex(
    explain('libstdc++.so.6: cannot open shared object file: No such file or directory'),
    /libstdc\+\+\.so\.6, which it needs, is not installed.*apt-get install libstdc\+\+6/,
  )
  t.regex(
    explain('/app/x.node: undefined symbol: _ZN2at4_ops3addE'),
    /^undefined symbol: _ZN2at4_ops3addE; a library of another version is in use.*RESIDUAL_LIBTORCH/,
  )
  t.regex(explain('out of luck'), /^out of luck /)
  const [message, hint] = explainRejection('x', 'Modul nicht gefunden.\r\n', machine({}), 'win32')
  t.is(message, 'Modul nicht gefunden.')
  t.regex(
    hint,
    /Visual C\+\+ 2015-2022 Redistributable .*https:\/\/aka\.ms\/vs\/17\/release\/vc_redist/,
  )
})
