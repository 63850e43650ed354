import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { run } from '../setup/command.mjs'
import { BuildError } from '../setup/error.mjs'
import { PLATFORM } from '../setup/platform.mjs'

/** Libraries of PyTorch's CPU builds for platforms without ELF. */
const OTHERS = {
  darwin: ['libtorch_cpu.dylib', 'libc10.dylib', 'libomp.dylib'],
  win32: ['torch_cpu.dll', 'c10.dll', 'libiomp5md.dll', 'uv.dll'],
}

/** Libraries that every Linux with the supported glibc has. */
const SYSTEM = /^(ld-linux.*|lib(c|m|dl|rt|pthread|util|gcc_s|stdc\+\+))\.so\.\d+$/

/**
 * Returns the CPU library of libtorch and the bundled libraries that it needs.
 *
 * @param {string} lib folder of the libraries of libtorch
 * @returns {Promise<string[]>} paths
 */
export async function neededLibraries(lib) {
  if (PLATFORM.os === 'darwin' || PLATFORM.os === 'win32') {
    return OTHERS[PLATFORM.os].map((name) => existing(join(lib, name)))
  }
  const bundled = await librariesIn(dirname(dirname(lib)))
  const paths = [existing(join(lib, PLATFORM.libtorch.library))]
  for (const path of paths) {
    for (const name of await neededNames(path)) {
      const needed = bundled.get(name)
      if (needed !== undefined && !paths.includes(needed)) paths.push(needed)
      if (needed === undefined && !SYSTEM.test(name)) {
        throw new BuildError(`${path} needs ${name}, which was not found`)
      }
    }
  }
  return paths
}

/** @param {string} path */
function existing(path) {
  if (!existsSync(path)) throw new BuildError(`${path} does not exist`)
  return path
}

/**
 * Finds the libraries of all wheels, which are unpacked into one folder. `lib`, with links to some
 * of them, is skipped.
 *
 * @param {string} wheels
 * @returns {Promise<Map<string, string>>} path by name
 */
async function librariesIn(wheels) {
  const entries = await readdir(wheels, { recursive: true, withFileTypes: true })
  return new Map(
    entries
      .filter((entry) => entry.isFile() && /\.so(\.\d+)*$/.test(entry.name))
      .map((entry) => [basename(entry.name), join(entry.parentPath, entry.name)]),
  )
}

/** @param {string} library */
async function neededNames(library) {
  const { status, stdout, stderr } = await run('readelf', ['--dynamic', '--wide', library])
  if (status !== 0) throw new BuildError(`readelf ${library} failed:\n${stderr.trim()}`)
  return [...stdout.matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(([, name = '']) => name)
}
