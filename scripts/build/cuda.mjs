import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { run } from '../setup/command.mjs'
import { BuildError } from '../setup/error.mjs'
import { ROOT } from '../setup.mjs'

const SOURCES = join(ROOT, 'crates', 'torch', 'cuda')
const CATCH_EXCEPTIONS = join(ROOT, 'crates', 'torch', 'src', 'catch_exceptions.h')

/** What is linked against, and need not be there: the libraries are found when ours is loaded. */
const ABSENT = ['libc10_cuda.so', 'libtorch_cuda.so']

/**
 * Compiles residual-cuda.so, the calls of CUDA that are apart from the addon. It takes headers, no
 * toolkit: PyTorch's, CUDA's runtime's and those of nvidia-cuda-crt, which set-up brings along. A
 * libtorch of the user's own may lack them; what is built then trains on the CPU alone.
 *
 * @param {{ libtorch: string, lib: string }} ready
 * @param {string} target where it goes
 */
export async function buildCuda({ libtorch, lib }, target) {
  const cuda = join(dirname(dirname(lib)), 'nvidia', 'cu13', 'include')
  const headers = [
    join(cuda, 'crt', 'host_defines.h'),
    join(libtorch, 'include', 'c10', 'cuda', 'CUDAStream.h'),
  ]
  const missing = headers.find((header) => !existsSync(header))
  if (missing !== undefined) {
    process.stderr.write(`build: ${missing} is not there: residual-cuda.so is left out\n`)
    return
  }
  const names = await readdir(SOURCES)
  const inputs = [
    CATCH_EXCEPTIONS,
    import.meta.filename,
    ...names.map((name) => join(SOURCES, name)),
  ]
  if (await isFresh(target, inputs)) return

  const work = join(ROOT, 'target', 'cuda')
  await mkdir(work, { recursive: true })
  for (const name of ABSENT) {
    const link = ['-shared', '-x', 'c++', '/dev/null', '-Wl,-soname,'.concat(name)]
    await compile([...link, '-o', join(work, name)])
  }
  const built = join(work, 'residual-cuda.so')
  const include = join(libtorch, 'include')
  await compile([
    ...['-std=c++17', '-O2', '-shared', '-fPIC', '-fvisibility=hidden', '-s'],
    ...['-isystem', include, '-isystem', cuda],
    ...names.filter((name) => name.endsWith('.cpp')).map((name) => join(SOURCES, name)),
    // Each is needed, as the linker cannot see: libtorch's are loaded before, and then found by name.
    ...['-Wl,--no-as-needed', `-L${work}`, `-L${join(libtorch, 'lib')}`],
    ...['-lc10_cuda', '-ltorch_cuda', '-ltorch_cpu', '-lc10', '-o', built],
  ])
  await mkdir(dirname(target), { recursive: true })
  // In one move: a running process may have mapped the one that is there.
  await rename(built, target)
}

/** @param {readonly string[]} args */
async function compile(args) {
  const { status } = await run(process.env.CXX ?? 'c++', args, { output: 'show' })
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
