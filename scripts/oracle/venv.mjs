// The Python environment that PyTorch is asked in: .venv in the repository, made on first use.
//
//   node scripts/oracle/venv.mjs        makes it and prints its python

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '../setup/command.mjs'
import { SetupError } from '../setup/error.mjs'
import { withLock } from '../setup/lock.mjs'
import { installCommand } from '../setup/prerequisites.mjs'
import { ROOT, runScript } from '../setup.mjs'

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
  // Written last, so that an interrupted installation is never taken for a finished one.
  const stamp = join(FOLDER, 'oracle.txt')
  const wanted = [await readFile(REQUIREMENTS, 'utf8'), ...NEVER_CALLED, LAZY_LOADING].join('\n')
  const isReady = async () => (await readFile(stamp, 'utf8').catch(() => '')) === wanted
  if (await isReady()) return PYTHON
  await mkdir(FOLDER, { recursive: true })
  await withLock(join(FOLDER, 'oracle.lock'), async () => {
    if (await isReady()) return
    await rm(stamp, { force: true })
    await install()
    await writeFile(stamp, wanted)
  })
  return PYTHON
}

async function install() {
  process.stderr.write(`oracle: making a Python environment with PyTorch in ${FOLDER}\n`)
  await must('python3', ['-m', 'venv', FOLDER], 'sudo apt-get install python3-venv')
  const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-deps']
  await must(
    PYTHON,
    [...pip, '--requirement', REQUIREMENTS],
    'pip says above what it could not fetch; check the network and the index it is set to',
  )
  if (process.platform === 'linux') await standInForCuda()
  await must(
    PYTHON,
    ['-c', 'import torch, torchvision'],
    `remove ${FOLDER} and run the same command again`,
  )
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

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {string} hint what to do when it fails
 */
async function must(command, args, hint) {
  const { status } = await run(command, args, { output: 'show' })
  if (status === 0) return
  throw new SetupError('E_PREREQUISITE', `${command} ${args[0]} ${args[1]} failed`, { hint })
}

await runScript(import.meta.url, async () => {
  process.stdout.write(`${await venvPython()}\n`)
})
