import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'

/**
 * A libtorch as it was found: the folder with its libraries and the one with its headers.
 * @typedef {{ lib: string, include: string }} Torch
 */

/** The libraries of the CPU half; libgomp may carry a hash in its name. */
const CPU_LIBRARY = /^(libtorch_cpu\.so|libc10\.so|libgomp.*\.so.*)$/

/**
 * Makes the folder that the tch crate is pointed at: the headers, and only the CPU half of the
 * libraries. What is linked against it needs libtorch_cpu and libc10 alone, so one addon runs on
 * both a CPU and a CUDA libtorch, whichever is loaded.
 *
 * @param {string} folder
 * @param {Torch} torch may lie inside `folder`, which can then be moved as a whole
 * @param {string} version
 */
export async function writeLayout(folder, { lib, include }, version) {
  const libraries = (await readdir(lib)).filter((name) => CPU_LIBRARY.test(name))
  const inside = !relative(folder, lib).startsWith('..')
  /** @type {(from: string, to: string) => string} */
  const link = (from, to) => (inside ? relative(from, to) : to)
  await mkdir(join(folder, 'lib'), { recursive: true })
  await symlink(link(folder, include), join(folder, 'include'))
  for (const name of libraries) {
    await symlink(link(join(folder, 'lib'), join(lib, name)), join(folder, 'lib', name))
  }
  // tch asks for -ltorch, which in a CUDA build pulls libtorch_cuda in. A linker script stands in.
  await writeFile(join(folder, 'lib', 'libtorch.so'), 'INPUT(libtorch_cpu.so)\n')
  await writeFile(join(folder, 'build-version'), `${version}\n`)
}
