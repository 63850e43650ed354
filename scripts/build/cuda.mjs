import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { run } from '../setup/command.mjs'
import { BuildError } from '../setup/error.mjs'
import { PLATFORM_NAME } from '../setup/platform.mjs'
import { ROOT } from '../setup.mjs'

const SOURCES = join(ROOT, 'crates', 'torch', 'cuda')
const CATCH_EXCEPTIONS = join(ROOT, 'crates', 'torch', 'shim', 'catch_exceptions.h')

/**
 * Libraries that stubs replace when linking; the real ones are found when the library is loaded.
 */
const STUBS = ['libc10_cuda.so', 'libtorch_cuda.so']

/**
 * Compiles residual-cuda.so, which contains all calls of CUDA. Only needs the headers of PyTorch,
 * of the CUDA runtime and of nvidia-cuda-crt, which set-up installs, and no CUDA toolkit. Skipped
 * with a message if another libtorch lacks the headers; the build then trains on the CPU only.
 *
 * @param {{ libtorch: string, lib: string }} ready
 * @param {string} cxx C++ compiler
 * @param {string} target path of the library
 */
export async function buildCuda({ libtorch, lib }, cxx, target) {
  const cuda = join(dirname(dirname(lib)), 'nvidia', 'cu13', 'include')
  const headers = [
    join(cuda, 'crt', 'host_defines.h'),
    join(libtorch, 'include', 'c10', 'cuda', 'CUDAStream.h'),
  ]
  const missing = headers.find((header) => !existsSync(header))
  if (missing !== undefined) {
    process.stderr.write(`build: skipping residual-cuda.so, because ${missing} is missing\n`)
    return
  }
  const names = await readdir(SOURCES)
  const inputs = [
    CATCH_EXCEPTIONS,
    import.meta.filename,
    ...names.map((name) => join(SOURCES, name)),
  ]
  if (await isFresh(target, inputs)) return

  const work = join(ROOT, 'target', 'cuda', PLATFORM_NAME)
  await mkdir(work, { recursive: true })
  for (const name of STUBS) {
    const link = ['-shared', '-x', 'c++', '/dev/null', '-Wl,-soname,'.concat(name)]
    await compile(cxx, [...link, '-o', join(work, name)])
  }
  const built = join(work, 'residual-cuda.so')
  const include = join(libtorch, 'include')
  await compile(cxx, [
    ...['-std=c++17', '-O2', '-shared', '-fPIC', '-fvisibility=hidden', '-s'],
    ...['-isystem', include, '-isystem', cuda],
    ...names.filter((name) => name.endsWith('.cpp')).map((name) => join(SOURCES, name)),
    // The stubs define no symbols, so that the linker would drop the dependencies as unused.
    ...['-Wl,--no-as-needed', `-L${work}`, `-L${join(libtorch, 'lib')}`],
    ...['-lc10_cuda', '-ltorch_cuda', '-ltorch_cpu', '-lc10', '-o', built],
  ])
  await mkdir(dirname(target), { recursive: true })
  // Renamed, because a running process may have mapped the present file.
  await rename(built, target)
}

/**
 * @param {string} cxx
 * @param {readonly string[]} args
 */
async function compile(cxx, args) {
  const { status } = await run(cxx, args, { output: 'show' })
  if (status !== 0) throw new BuildError(`compiling residual-cuda.so failed (status ${status})`)
}

/**
 * @param {string} target
 * @param {readonly string[]} inputs
 */
async function isFresh(target, inputs) {
  const built = await stat(target).catch(() => undefined)
  if (built === undefined) return false
  const changed = await Promise.all(inputs.map(async (path) => (await stat(path)).mtimeMs))
  return changed.every((time) => time <= built.mtimeMs)
}
