import { constants } from 'node:fs'
import { copyFile, mkdir, readdir, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { run } from '../setup/command.mjs'
import { BuildError } from '../setup/error.mjs'
import { PLATFORM } from '../setup/platform.mjs'

/**
 * A file of the package: its path there, and its source.
 *
 * @typedef {{ to: string, from: string }} PackagedFile
 */

/**
 * Vendor of each library or of a part of it, and the wheel that contains the license. Licenses that no
 * wheel contains are committed.
 *
 * @type {readonly { library: RegExp, vendor: string, wheel?: string }[]}
 */
const VENDORS = [
  { library: /^(libtorch_cpu|libc10)\.so$/, vendor: 'pytorch', wheel: 'torch' },
  { library: /^libtorch_cpu\.so$/, vendor: 'intel-onemkl' },
  { library: /^libgomp/, vendor: 'gcc' },
  { library: /^libcudart/, vendor: 'nvidia-cuda-runtime', wheel: 'nvidia_cuda_runtime' },
  { library: /^libcupti/, vendor: 'nvidia-cuda-cupti', wheel: 'nvidia_cuda_cupti' },
]

/** Vendors of libraries that only PyTorch's CUDA build contains. */
export const NVIDIA = /^nvidia-/

/**
 * Lists the files of the package: libtorch_cpu.so, the bundled libraries that it needs, in the same
 * folder ($ORIGIN is in its RPATH), and all licenses.
 *
 * @param {string} lib folder of the libraries of libtorch
 * @param {string} template folder of the package in the clone
 * @returns {Promise<PackagedFile[]>}
 */
export async function libtorchFiles(lib, template) {
  // All wheels are unpacked into this folder.
  const wheels = dirname(dirname(lib))
  const libraries = await neededLibraries(join(lib, PLATFORM.libtorch.library), wheels)
  const vendors = new Set(libraries.flatMap(vendorsOf))
  const texts = await Promise.all(
    [...vendors].map(async ({ vendor, wheel }) =>
      (wheel ? await wheelLicenses(wheels, wheel) : await committedLicenses(template, vendor)).map(
        (from) => ({ to: join('licenses', vendor, basename(from)), from }),
      ),
    ),
  )
  return [
    { to: 'README.md', from: join(template, 'README.md') },
    ...libraries.map((from) => ({ to: join('lib', basename(from)), from })),
    ...texts.flat(),
  ]
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
 * @param {unknown} manifest
 */
export async function inputsOf(files, manifest) {
  const facts = await Promise.all(
    files.map(async ({ to, from }) => {
      const { size, mtimeMs } = await stat(from)
      return { to, from, size, mtimeMs }
    }),
  )
  return JSON.stringify({ manifest, files: facts })
}

/**
 * @param {string} library
 * @param {string} wheels
 */
async function neededLibraries(library, wheels) {
  const { LD_LIBRARY_PATH: _, ...env } = process.env
  const { status, stdout, stderr } = await run('ldd', [library], { env })
  if (status !== 0) throw new BuildError(`ldd ${library} failed:\n${stderr.trim()}`)
  const missing = /^\s*(\S+) => not found$/m.exec(stdout)
  if (missing) throw new BuildError(`${library} needs ${missing[1]}, which was not found`)
  const needed = [...stdout.matchAll(/ => (\/.*) \(0x/g)].map(([, path = '']) => resolve(path))
  return [library, ...needed.filter((path) => path.startsWith(`${wheels}/`))]
}

/** @param {string} path */
function vendorsOf(path) {
  const vendors = VENDORS.filter(({ library }) => library.test(basename(path)))
  if (vendors.length === 0) throw new BuildError(`${path}: the license of this library is unknown`)
  return vendors
}

/**
 * @param {string} wheels
 * @param {string} name
 */
async function wheelLicenses(wheels, name) {
  const installed = (await readdir(wheels)).find(
    (entry) => entry.startsWith(`${name}-`) && entry.endsWith('.dist-info'),
  )
  const folder = installed && join(wheels, installed, 'licenses')
  const names = folder && (await readdir(folder).catch(() => undefined))
  if (!folder || !names) {
    throw new BuildError(
      `${wheels} has no license of ${name}: set LIBTORCH to a libtorch that pip installed`,
    )
  }
  return names.map((text) => join(folder, text))
}

/**
 * @param {string} template
 * @param {string} vendor
 */
async function committedLicenses(template, vendor) {
  const folder = join(template, 'licenses', vendor)
  return (await readdir(folder)).map((text) => join(folder, text))
}
