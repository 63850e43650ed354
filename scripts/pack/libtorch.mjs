import { constants } from 'node:fs'
import { copyFile, mkdir, readdir, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { run } from '../setup/command.mjs'
import { BuildError } from '../setup/error.mjs'

/**
 * A file of the package: where it lies there and where it comes from.
 * @typedef {{ to: string, from: string }} PackagedFile
 */

/**
 * Who made a library or a part of it, and the wheel that brings the licence; those that come with no
 * wheel are kept in the clone.
 *
 * @type {readonly { library: RegExp, maker: string, wheel?: string }[]}
 */
const MAKERS = [
  { library: /^(libtorch_cpu|libc10)\.so$/, maker: 'pytorch', wheel: 'torch' },
  { library: /^libtorch_cpu\.so$/, maker: 'intel-onemkl' },
  { library: /^libgomp/, maker: 'gcc' },
  { library: /^libcudart/, maker: 'nvidia-cuda-runtime', wheel: 'nvidia_cuda_runtime' },
  { library: /^libcupti/, maker: 'nvidia-cuda-cupti', wheel: 'nvidia_cuda_cupti' },
]

/** Only in PyTorch's CUDA build. */
export const NVIDIA = /^nvidia-/

/**
 * What the package consists of: libtorch_cpu.so with those of the libraries it needs that come with
 * it, side by side ($ORIGIN is in its RPATH), and everyone's licence.
 *
 * @param {string} lib the folder that holds libtorch_cpu.so
 * @param {string} template the package's folder in the clone
 * @returns {Promise<PackagedFile[]>}
 */
export async function libtorchFiles(lib, template) {
  // Wheels are unpacked side by side: this is where all of them start.
  const wheels = dirname(dirname(lib))
  const libraries = await neededLibraries(join(lib, 'libtorch_cpu.so'), wheels)
  const makers = new Set(libraries.flatMap(makersOf))
  const texts = await Promise.all(
    [...makers].map(async ({ maker, wheel }) =>
      (wheel ? await wheelLicenses(wheels, wheel) : await keptLicenses(template, maker)).map(
        (from) => ({ to: join('licenses', maker, basename(from)), from }),
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
 * Changes when the package would: a text to compare, made without reading half a gigabyte.
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
  if (missing) throw new BuildError(`${library} needs ${missing[1]}, which is nowhere`)
  const needed = [...stdout.matchAll(/ => (\/.*) \(0x/g)].map(([, path = '']) => resolve(path))
  return [library, ...needed.filter((path) => path.startsWith(`${wheels}/`))]
}

/** @param {string} path */
function makersOf(path) {
  const makers = MAKERS.filter(({ library }) => library.test(basename(path)))
  if (makers.length === 0) throw new BuildError(`${path}: the licence of this library is not known`)
  return makers
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
      `${wheels} has no licence of ${name} to publish with its libraries: ` +
        'pack a libtorch that pip installed, which LIBTORCH can name',
    )
  }
  return names.map((text) => join(folder, text))
}

/**
 * @param {string} template
 * @param {string} maker
 */
async function keptLicenses(template, maker) {
  const folder = join(template, 'licenses', maker)
  return (await readdir(folder)).map((text) => join(folder, text))
}
