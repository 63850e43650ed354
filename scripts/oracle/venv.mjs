// The Python environment with PyTorch: .venv in the repository, created on first use.
//
//   node scripts/oracle/venv.mjs        creates the environment and prints the path of its Python

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '../setup/command.mjs'
import { installCommand } from '../setup/prerequisites.mjs'
import { ROOT, runScript } from '../setup.mjs'
import { pythonEnvironment, runOrFail } from './python.mjs'

const FOLDER = join(ROOT, '.venv')
const PYTHON = join(FOLDER, 'bin', 'python')
const REQUIREMENTS = fileURLToPath(new URL('requirements.txt', import.meta.url))

// PyTorch's wheel for Linux is the CUDA build. It depends on the following libraries, a download of
// 1.7 GB, but calls none of their functions on a CPU. Empty libraries with the same names satisfy the
// dynamic linker if functions are resolved on their first call (RTLD_LAZY); Python's default resolves
// them when a library is loaded.
const CUDA_STUBS = [
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
// Python executes the import lines of .pth files when it starts.
const LAZY_LOADING = 'import os, sys; sys.setdlopenflags(os.RTLD_LAZY)\n'

/**
 * Returns the path of Python in an environment with torchvision and libtorch's version of PyTorch.
 *
 * @returns {Promise<string>}
 * @throws {SetupError} with a hint if the environment cannot be created
 */
export async function venvPython() {
  return await pythonEnvironment({
    title: 'PyTorch',
    folder: FOLDER,
    requirements: await readFile(REQUIREMENTS, 'utf8'),
    key: [...CUDA_STUBS, LAZY_LOADING],
    imports: ['torch', 'torchvision'],
    prepare: process.platform === 'linux' ? createCudaStubs : undefined,
  })
}

async function createCudaStubs() {
  const { stdout } = await run(PYTHON, [
    '-c',
    'import sysconfig; print(sysconfig.get_path("platlib"))',
  ])
  const sitePackages = stdout.trim()
  // The first folder in the RPATH of the wheel's libraries.
  const folder = join(sitePackages, 'nvidia', 'cudnn', 'lib')
  await mkdir(folder, { recursive: true })
  for (const name of CUDA_STUBS) {
    await runOrFail(
      'cc',
      ['-shared', '-x', 'c', '/dev/null', `-Wl,-soname,${name}`, '-o', join(folder, name)],
      installCommand('cxx'),
    )
  }
  await writeFile(join(sitePackages, 'lazy_loading.pth'), LAZY_LOADING)
}

await runScript(import.meta.url, async () => {
  process.stdout.write(`${await venvPython()}\n`)
})
