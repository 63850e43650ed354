import { existsSync } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { ADDON_FILES } from '../../../src/native/prebuilt-platforms.js'
import { run } from '../../setup/command.mjs'
import { PLATFORM, PLATFORM_NAME } from '../../setup/platform.mjs'
import { ROOT } from '../../setup.mjs'
import { median } from '../statistics.mjs'
import { Worker } from '../worker.mjs'
import { node } from './programs.mjs'

/** @typedef {import('./case.mjs').Measurement} Measurement */

const MEGABYTE = 1e6
const IMPORT = `
const start = performance.now()
await import(${JSON.stringify(join(ROOT, 'dist/index.js'))})
const { readFileSync } = await import('node:fs')
const ms = performance.now() - start
const loaded = /libtorch/.test(readFileSync('/proc/self/maps', 'utf8'))
console.log(JSON.stringify({ ms, loaded }))`

/** @type {import('./case.mjs').Case} */
export const footprint = {
  name: 'footprint',
  title: 'Import time and package sizes',
  about:
    'Import: `import "residual"` in a new Node process, median of five. Sizes are those of installed ' +
    'files; the dependencies are the packages that `npm install residual` adds. PyTorch is torch and ' +
    'torchvision without the CUDA libraries that pip installs by default.',
  measure: async ({ python, folder, settings }) => {
    const imports = []
    for (let i = 0; i < 5; i++) {
      const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', IMPORT])
      imports.push(JSON.parse(stdout))
    }
    settings.log('paused run')
    const worker = new Worker(
      node('residual/paused-run', { out: join(folder, 'paused'), pause: 3 }),
    )
    const { pausedShare } = await worker.readLine()
    await worker.close()
    return {
      kind: 'measurements',
      measurements: [
        { label: 'import', value: median(imports.map(({ ms }) => ms)), unit: 'ms' },
        {
          ...{ label: 'imports that loaded libtorch', unit: 'of 5', limit: 0 },
          value: imports.filter(({ loaded }) => loaded).length,
        },
        {
          ...{ label: 'CPU use of a paused run, of one core', value: 100 * pausedShare },
          ...{ unit: '%', limit: 1 },
        },
        ...(await sizes(python)),
      ],
    }
  },
}

/**
 * @param {string} python
 * @returns {Promise<Measurement[]>}
 */
async function sizes(python) {
  const addons = join(ROOT, 'bindings/npm', PLATFORM_NAME)
  /** @type {Measurement[]} */
  const measurements = []
  const add = (/** @type {string} */ label, /** @type {number} */ bytes) => {
    measurements.push({ label, value: bytes / MEGABYTE, unit: 'MB' })
  }
  for (const name of [ADDON_FILES.torch, ADDON_FILES.core]) {
    const file = await readFile(join(addons, name)).catch(() => undefined)
    if (file === undefined) continue
    add(name, file.length)
    add(`${name}, gzipped`, gzipSync(file).length)
  }
  const published = ['dist', 'data', 'recipes', 'index.d.ts', 'config.schema.json']
  add('residual', await totalBytes(published.map((name) => join(ROOT, name))))
  add('dependencies', await totalBytes(await dependencies()))
  add('libtorch (CPU)', await libtorchBytes())
  const { stdout } = await run(python, [
    '-c',
    'import torch, torchvision, os; print(os.path.dirname(torch.__file__)); print(os.path.dirname(torchvision.__file__))',
  ])
  add('PyTorch', await totalBytes(stdout.trim().split('\n')))
  return measurements
}

/** Returns the size of the CPU library of libtorch and its dependencies. */
async function libtorchBytes() {
  const { name, library: file } = PLATFORM.libtorch
  const library = join(ROOT, 'bindings/npm', name, 'lib', file)
  const { stdout } = await run('ldd', [library])
  const libraries = [...stdout.matchAll(/ => (\/\S+) /g)].map(([, path]) => path)
  const system = /^\/(usr\/)?lib/
  return totalBytes([library, ...libraries.filter((path) => !system.test(path))])
}

/** Returns the folders of the packages that `npm install residual` installs. */
async function dependencies() {
  const found = new Map()
  const visit = async (/** @type {string} */ from, /** @type {string} */ name) => {
    const folder = packageFolder(from, name)
    if (folder === undefined || found.has(folder)) return
    const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
    found.set(folder, name)
    const required = { ...manifest.dependencies, ...manifest.optionalDependencies }
    for (const dependency of Object.keys(required)) await visit(folder, dependency)
  }
  const { dependencies } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
  for (const name of Object.keys(dependencies)) await visit(ROOT, name)
  return [...found.keys()]
}

/**
 * Returns the folder of a package; undefined if an optional package is not installed.
 *
 * @param {string} from
 * @param {string} name
 */
function packageFolder(from, name) {
  const folders = createRequire(join(from, 'package.json')).resolve.paths(name) ?? []
  return folders
    .map((folder) => join(folder, name))
    .find((folder) => existsSync(join(folder, 'package.json')))
}

/**
 * Returns the size of files and folders in bytes. Nested node_modules are separate packages and not
 * included.
 *
 * @param {readonly string[]} paths
 * @returns {Promise<number>}
 */
async function totalBytes(paths) {
  let bytes = 0
  for (const path of paths) {
    const info = await stat(path).catch(() => undefined)
    if (info?.isDirectory()) {
      const names = await readdir(path)
      bytes += await totalBytes(
        names.filter((name) => name !== 'node_modules').map((name) => join(path, name)),
      )
    } else bytes += info?.size ?? 0
  }
  return bytes
}
