import { constants } from 'node:fs'
import { copyFile, mkdir, readdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { BuildError } from '../setup/error.mjs'
import { ROOT } from '../setup.mjs'
import { compileStub, STUBBED } from './cuda-stubs.mjs'
import { neededLibraries } from './needed-libraries.mjs'
import { vendorsOf } from './vendors.mjs'

/**
 * A file of the package: its path there, and its source.
 *
 * @typedef {{ to: string, from: string }} PackagedFile
 */

/**
 * Lists the libraries of the package: the CPU library of libtorch and the bundled libraries that it
 * needs, in the same folder ($ORIGIN is in its RPATH). PyTorch's wheel for Linux is the CUDA build;
 * NVIDIA's libraries that it needs even without a GPU are replaced, so that the package is smaller
 * and contains nothing of NVIDIA.
 *
 * @param {string} lib folder of the libraries of libtorch
 * @param {string} cxx C++ compiler
 */
export async function packagedLibraries(lib, cxx) {
  const [library = '', ...others] = await neededLibraries(lib)
  const needed = others.map((path) =>
    STUBBED.test(basename(path)) ? compileStub(path, library, cxx) : path,
  )
  return [library, ...(await Promise.all(needed))]
}

/**
 * Lists the libraries and licenses of the package.
 *
 * @param {readonly string[]} libraries
 * @returns {Promise<PackagedFile[]>}
 */
export async function libtorchFiles(libraries) {
  // All wheels are unpacked into this folder.
  const wheels = dirname(dirname(dirname(libraries[0] ?? '')))
  const vendors = new Set(libraries.flatMap(vendorsOf))
  const texts = await Promise.all(
    [...vendors].map(async (vendor) =>
      (await licensesOf(vendor, wheels)).map((from) => ({
        to: join('licenses', vendor.name, basename(from)),
        from,
      })),
    ),
  )
  return [...libraries.map((from) => ({ to: join('lib', basename(from)), from })), ...texts.flat()]
}

/**
 * @param {readonly PackagedFile[]} files
 * @param {string} folder
 */
export async function stageFiles(files, folder) {
  for (const { to, from } of files) {
    await mkdir(dirname(join(folder, to)), { recursive: true })
    await copyFile(from, join(folder, to), constants.COPYFILE_FICLONE)
  }
}

/**
 * Returns a text that changes whenever the package would, without reading half a gigabyte.
 *
 * @param {readonly PackagedFile[]} files
 * @param {unknown} others
 */
export async function inputsOf(files, others) {
  const facts = await Promise.all(
    files.map(async ({ to, from }) => {
      const { size, mtimeMs } = await stat(from)
      return { to, from, size, mtimeMs }
    }),
  )
  return JSON.stringify({ others, files: facts })
}

/**
 * @param {import('./vendors.mjs').Vendor} vendor
 * @param {string} wheels
 */
async function licensesOf({ name, wheel, isTestOnly }, wheels) {
  if (isTestOnly) return []
  if (name === 'residual') return [join(ROOT, 'LICENSE')]
  if (wheel !== undefined) return wheelLicenses(wheels, wheel)
  const folder = join(ROOT, 'bindings', 'npm', 'licenses', name)
  return (await readdir(folder)).map((text) => join(folder, text))
}

/**
 * Lists the license texts in the metadata of a wheel; those of Windows are not in a folder of their
 * own.
 *
 * @param {string} wheels
 * @param {string} name
 */
async function wheelLicenses(wheels, name) {
  const installed = (await readdir(wheels)).find(
    (entry) => entry.startsWith(`${name}-`) && entry.endsWith('.dist-info'),
  )
  if (installed !== undefined) {
    for (const folder of [join(wheels, installed, 'licenses'), join(wheels, installed)]) {
      const names = await readdir(folder).catch(() => /** @type {string[]} */ ([]))
      const texts = names.filter((text) => /^(LICENSE|NOTICE)/.test(text))
      if (texts.length > 0) return texts.map((text) => join(folder, text))
    }
  }
  throw new BuildError(
    `${wheels} has no license of ${name}: set LIBTORCH to a libtorch that pip installed`,
  )
}
