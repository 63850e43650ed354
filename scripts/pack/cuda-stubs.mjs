import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { run } from '../setup/command.mjs'
import { BuildError } from '../setup/error.mjs'
import { PLATFORM_NAME } from '../setup/platform.mjs'
import { ROOT } from '../setup.mjs'

/** Libraries of NVIDIA that PyTorch's CUDA build needs even where it computes on the CPU. */
export const STUBBED = /^lib(cudart|cupti)\.so\.\d+$/

/** `cudaErrorNoDevice` of the CUDA runtime and `CUPTI_ERROR_NOT_INITIALIZED`. */
const NO_DEVICE = { cuda: 100, cupti: 15 }

/** Functions that return a text. */
const TEXTS = `
const char *cudaGetErrorString(int code) { return "no CUDA-capable device is detected"; }
int cuptiGetResultString(int code, const char **text) {
  *text = "no CUDA-capable device is detected";
  return 0;
}
`

/**
 * Compiles a stand-in for a library of NVIDIA: every function that `user` calls returns an error
 * code. PyTorch then behaves as on a machine without a GPU.
 *
 * @param {string} library path of NVIDIA's library
 * @param {string} user path of the library that needs it
 * @param {string} cxx C++ compiler, whose C compiler is used
 * @returns {Promise<string>} path of the stand-in
 */
export async function compileStub(library, user, cxx) {
  const name = basename(library)
  const folder = join(ROOT, 'target', 'cuda-stubs', PLATFORM_NAME)
  await mkdir(folder, { recursive: true })
  const texts = TEXTS.split('\n').filter((line) => line !== '')
  const functions = (await functionsOf(user, name)).filter(
    (symbol) => !texts.some((line) => line.includes(`${symbol}(`)),
  )
  const codes = functions.map((symbol) => {
    const code = symbol.startsWith('cupti') ? NO_DEVICE.cupti : NO_DEVICE.cuda
    return `int ${symbol}(void) { return ${code}; }`
  })
  const source = join(folder, `${name}.c`)
  const versions = join(folder, `${name}.map`)
  const stub = join(folder, name)
  const code = [TEXTS, ...codes, ''].join('\n')
  if (existsSync(stub) && (await readFile(source, 'utf8').catch(() => '')) === code) return stub
  await rm(stub, { force: true })
  await writeFile(source, code)
  await writeFile(versions, `${name} { global: cuda*; cupti*; };\n`)
  const { status } = await run(
    cxx,
    [
      ...['-x', 'c', '-O2', '-shared', '-fPIC', '-nostdlib', '-s', source, '-o', stub],
      ...[`-Wl,-soname,${name}`, `-Wl,--version-script,${versions}`],
    ],
    { output: 'show' },
  )
  if (status !== 0) throw new BuildError(`compiling ${stub} failed (status ${status})`)
  return stub
}

/**
 * Lists the functions of a library that `user` calls.
 *
 * @param {string} user
 * @param {string} name name of the library, which is also the version of its symbols
 */
async function functionsOf(user, name) {
  const { status, stdout, stderr } = await run('readelf', ['--dyn-syms', '--wide', user])
  if (status !== 0) throw new BuildError(`readelf ${user} failed:\n${stderr.trim()}`)
  const suffix = `@${name}`
  const symbols = stdout.split('\n').flatMap((line) =>
    line
      .trim()
      .split(/\s+/)
      .filter((word) => word.endsWith(suffix)),
  )
  return [...new Set(symbols.map((symbol) => symbol.slice(0, -suffix.length)))].sort()
}
