// The Python environment that PyTorch is asked in: .venv in the repository, made on first use.
//
//   node scripts/oracle/venv.mjs        makes it and prints its python

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '../setup/command.mjs'
import { installCommand } from '../setup/prerequisites.mjs'
import { ROOT, runScript } from '../setup.mjs'
import { must, pythonWith } from './python.mjs'

const FOLDER = join(ROOT, '.venv')
const PYTHON = join(FOLDER, 'bin', 'python')
const REQUIREMENTS = fileURLToPath(new URL('requirements.txt', import.meta.url))

// PyTorch's wheel on Linux is the CUDA build: its libraries name these as needed, and the dynamic
// linker refuses to start without them, though nothing in them runs on a CPU. They are 1.7 GB to
// download; an empty library of the same name satisfies the linker, provided that functions are
// looked up when they are first called (RTLD_LAZY) and not when the library is loaded, which is
// Python's default.
const NEVER_CALLED = [
  'libcublas.so.13',
  'libcublasLt.so.13',
  'libcudnn.so.9',
  'libcufft.so.12',
  'libcufile.so.0',
  'libcurand.so.10',
  'libcusparse.so.12',
  'libcusparseLt.so.0',
  'libnccl.so.2',
  'libnvshmem_host.so.3',
]
// A .pth file's import line runs as Python starts.
const LAZY_LOADING = 'import os, sys; sys.setdlopenflags(os.RTLD_LAZY)\n'

/**
 * The environment's python, with PyTorch of libtorch's version and torchvision in it.
 *
 * @returns {Promise<string>}
 * @throws {SetupError} naming what is missing and how to get it
 */
export async function venvPython() {
  return await pythonWith({
    what: 'PyTorch',
    folder: FOLDER,
    requirements: await readFile(REQUIREMENTS, 'utf8'),
    also: [...NEVER_CALLED, LAZY_LOADING],
    imports: ['torch', 'torchvision'],
    prepare: process.platform === 'linux' ? standInForCuda : undefined,
  })
}

async function standInForCuda() {
  const { stdout } = await run(PYTHON, [
    '-c',
    'import sysconfig; print(sysconfig.get_path("platlib"))',
  ])
  const packages = stdout.trim()
  // The first of the folders that the wheel's libraries look in.
  const folder = join(packages, 'nvidia', 'cudnn', 'lib')
  await mkdir(folder, { recursive: true })
  for (const name of NEVER_CALLED) {
    await must(
      'cc',
      ['-shared', '-x', 'c', '/dev/null', `-Wl,-soname,${name}`, '-o', join(folder, name)],
      installCommand('cxx'),
    )
  }
  await writeFile(join(packages, 'lazy_loading.pth'), LAZY_LOADING)
}

await runScript(import.meta.url, async () => {
  process.stdout.write(`${await venvPython()}\n`)
})
