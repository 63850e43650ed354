import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { PLATFORM } from '../platform.mjs'

/**
 * A libtorch: the folders of its libraries and of its headers.
 *
 * @typedef {{ lib: string, include: string }} Torch
 */

/** The CPU libraries of Linux. The name of libgomp may contain a hash. */
const CPU_LIBRARY = /^(libtorch_cpu\.so|libc10\.so|libgomp.*\.so.*)$/

/**
 * Creates the folder that LIBTORCH of the tch crate names: the headers and the CPU libraries only.
 * A binary linked against it depends on libtorch_cpu and libc10 alone, so that the same addon runs
 * with a CPU and with a CUDA libtorch.
 *
 * @param {string} folder
 * @param {Torch} torch may be inside `folder`, which can then be moved as a whole
 * @param {string} version
 */
export async function writeLayout(folder, { lib, include }, version) {
  const isInside = !relative(folder, lib).startsWith('..')
  /** @type {(from: string, to: string) => string} */
  const link = (from, to) => (isInside ? relative(from, to) : to)
  await mkdir(folder, { recursive: true })
  await linkFolder(link(folder, include), join(folder, 'include'))
  if (PLATFORM.os === 'linux') {
    await mkdir(join(folder, 'lib'))
    for (const name of await readdir(lib)) {
      if (!CPU_LIBRARY.test(name)) continue
      await symlink(link(join(folder, 'lib'), join(lib, name)), join(folder, 'lib', name))
    }
    // tch links with -ltorch, which in a CUDA build depends on libtorch_cuda. This linker script
    // replaces it.
    await writeFile(join(folder, 'lib', 'libtorch.so'), 'INPUT(libtorch_cpu.so)\n')
  } else {
    // PyTorch has no CUDA build for macOS, and its wheel for Windows is the CPU build.
    await linkFolder(link(folder, lib), join(folder, 'lib'))
  }
  await writeFile(join(folder, 'build-version'), `${version}\n`)
}

/**
 * Links a folder. On Windows as a junction, for which no privilege is needed.
 *
 * @param {string} to
 * @param {string} path
 */
async function linkFolder(to, path) {
  await symlink(to, path, 'junction')
}
