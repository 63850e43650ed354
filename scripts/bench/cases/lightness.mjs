import { existsSync } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { run } from '../../setup/command.mjs'
import { ROOT } from '../../setup.mjs'
import { Peer } from '../peer.mjs'
import { median } from '../ratio.mjs'
import { node } from './programs.mjs'

/** @typedef {import('./case.mjs').Figure} Figure */

const MEGABYTE = 1e6
const IMPORT = `
const begin = performance.now()
await import(${JSON.stringify(join(ROOT, 'dist/index.js'))})
const { readFileSync } = await import('node:fs')
const ms = performance.now() - begin
const loaded = /libtorch/.test(readFileSync('/proc/self/maps', 'utf8'))
console.log(JSON.stringify({ ms, loaded }))`

/** @type {import('./case.mjs').Case} */
export const lightness = {
  name: 'lightness',
  title: 'Lightness',
  about:
    'Import: `import "residual"` in a fresh Node, the median of five. Sizes are of files as they are ' +
    'installed; the dependencies are those that `npm install residual` brings. PyTorch is torch and ' +
    'torchvision as installed for this bench: without the gigabytes of CUDA libraries that pip ' +
    'would bring along.',
  measure: async ({ python, folder, game }) => {
    const imports = []
    for (let i = 0; i < 5; i++) {
      const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', IMPORT])
      imports.push(JSON.parse(stdout))
    }
    game.log('a paused run')
    const peer = new Peer(node('ours/lightness', { out: join(folder, 'paused'), pause: 3 }))
    const { pausedShare } = await peer.read()
    await peer.close()
    return {
      kind: 'figures',
      figures: [
        { label: 'import', value: median(imports.map(({ ms }) => ms)), unit: 'ms' },
        {
          ...{ label: 'imports that loaded libtorch', unit: 'of 5', most: 0 },
          value: imports.filter(({ loaded }) => loaded).length,
        },
        {
          ...{ label: 'a paused run uses of one processor', value: 100 * pausedShare },
          ...{ unit: '%', most: 1 },
        },
        ...(await sizes(python)),
      ],
    }
  },
}

/**
 * @param {string} python
 * @returns {Promise<Figure[]>}
 */
async function sizes(python) {
  const addons = join(ROOT, 'bindings/npm/linux-x64-gnu')
  /** @type {Figure[]} */
  const figures = []
  const add = (/** @type {string} */ label, /** @type {number} */ bytes) => {
    figures.push({ label, value: bytes / MEGABYTE, unit: 'MB' })
  }
  for (const name of ['residual-torch.node', 'residual.node']) {
    const file = await readFile(join(addons, name)).catch(() => undefined)
    if (file === undefined) continue
    add(name, file.length)
    add(`${name}, gzipped`, gzipSync(file).length)
  }
  const published = ['dist', 'data', 'recipes', 'index.d.ts', 'config.schema.json']
  add('residual itself', await total(published.map((name) => join(ROOT, name))))
  add('its dependencies', await total(await dependencies()))
  add('libtorch for the CPU', await libtorch())
  const { stdout } = await run(python, [
    '-c',
    'import torch, torchvision, os; print(os.path.dirname(torch.__file__)); print(os.path.dirname(torchvision.__file__))',
  ])
  add('PyTorch', await total(stdout.trim().split('\n')))
  return figures
}

/** The libraries that the package with libtorch holds: libtorch_cpu.so and what it needs. */
async function libtorch() {
  const library = join(ROOT, 'bindings/npm/libtorch-linux-x64/lib/libtorch_cpu.so')
  const { stdout } = await run('ldd', [library])
  const needed = [...stdout.matchAll(/ => (\/\S+) /g)].map(([, path]) => path)
  const system = /^\/(usr\/)?lib/
  return total([library, ...needed.filter((path) => !system.test(path))])
}

/** Folders of the packages that come with `npm install residual`. */
async function dependencies() {
  const found = new Map()
  const visit = async (/** @type {string} */ from, /** @type {string} */ name) => {
    const folder = packageFolder(from, name)
    if (folder === undefined || found.has(folder)) return
    const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
    found.set(folder, name)
    const needs = { ...manifest.dependencies, ...manifest.optionalDependencies }
    for (const need of Object.keys(needs)) await visit(folder, need)
  }
  const { dependencies } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
  for (const name of Object.keys(dependencies)) await visit(ROOT, name)
  return [...found.keys()]
}

/**
 * Where Node finds a package; undefined for one that is for another platform and not there.
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
 * Bytes of files and folders, of what lies in nested node_modules only once.
 *
 * @param {readonly string[]} paths
 * @returns {Promise<number>}
 */
async function total(paths) {
  let bytes = 0
  for (const path of paths) {
    const facts = await stat(path).catch(() => undefined)
    if (facts?.isDirectory()) {
      const names = await readdir(path)
      bytes += await total(
        names.filter((name) => name !== 'node_modules').map((name) => join(path, name)),
      )
    } else bytes += facts?.size ?? 0
  }
  return bytes
}
