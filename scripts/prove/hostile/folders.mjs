// Files that refer to files outside of their folder, opened while system calls are recorded.

import { cp, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ROOT } from '../../setup.mjs'
import { tarArchive, zipArchive } from './archives.mjs'
import { HostileReader } from './reader.mjs'
import { canTrace, findOutsideAccesses } from './system-calls.mjs'

const CORPUS = join(ROOT, 'crates', 'data', 'tests', 'corpus')

/** @typedef {import('../case.mjs').Context} Context */

/**
 * @typedef {object} Folders
 * @property {string} inside folder of the hostile files
 * @property {string} outside folder that they refer to
 * @property {string} run an intact run
 */

/**
 * A file to read, and how `programs/read-hostile.mjs` reads it.
 *
 * @typedef {{ read: string, path: string }} Attack
 */

/**
 * Opens folders and files that refer to other files.
 *
 * @param {Context} context
 * @param {string} run an intact run
 */
export async function attackOutside({ folder, log }, run) {
  const folders = { inside: join(folder, 'inside'), outside: join(folder, 'outside'), run }
  const isTraced = await canTrace()
  await writeOutside(folders)
  const archives = { ...(await writeShards(folders)), ...(await writeWeights(folders)) }
  const runs = await writeRuns(folders)
  const failures = [
    ...(await findReadProblems(archives, folders, isTraced)),
    // A link in a run is followed when it is read, which the system calls would report.
    ...(await findReadProblems(runs, folders, false)),
  ]
  const controls = []
  for (const fault of isTraced ? ['read', 'write'] : ['write']) {
    const attack = { read: `fault: ${fault} outside`, path: folders.inside }
    controls.push((await findReadProblems({ fault: attack }, folders, isTraced)).length > 0)
  }
  const attempts = Object.keys(archives).length + Object.keys(runs).length
  log(`${attempts} files and folders that refer to others, ${failures.length} problems`)
  return {
    attempts,
    upheld: Math.max(0, attempts - failures.length),
    failures,
    controls,
    notes: isTraced ? [] : ['Reads outside of a folder are only detected with strace.'],
    measurements: [{ label: 'files and folders that refer to other files', value: attempts }],
  }
}

/**
 * Reads files in a new process. Returns a sentence for each that is not refused or read properly, and
 * for each access to another file.
 *
 * @param {Record<string, Attack>} attacks
 * @param {Folders} folders
 * @param {boolean} isTraced
 */
async function findReadProblems(attacks, { inside, outside, run }, isTraced) {
  const trace = join(inside, '..', 'system-calls')
  const checkpoint = join(run, 'checkpoints', 'last.safetensors')
  const reader = new HostileReader(checkpoint, { cwd: inside, ...(isTraced && { trace }) })
  const before = await readContents(outside)
  const failures = []
  for (const [name, { read, path }] of Object.entries(attacks)) {
    const problem = await reader.read(read, path)
    if (problem !== undefined) failures.push(`${name} ${problem}`)
    if ((await readContents(outside)) === before) continue
    failures.push(`${name} changed another file`)
    await rm(outside, { recursive: true })
    await writeOutside({ inside, outside, run })
  }
  await reader.close()
  if (!isTraced) return failures
  const accesses = findOutsideAccesses(trace, { folder: inside, forbidden: outside, cwd: inside })
  await rm(trace)
  return [...failures, ...accesses]
}

/** @param {Folders} folders */
async function writeOutside({ inside, outside }) {
  for (const folder of [inside, outside]) await mkdir(folder, { recursive: true })
  await cp(join(CORPUS, 'images', 'palette.png'), join(outside, 'canary.png'))
  await writeFile(join(outside, 'canary'), 'do not read')
}

/**
 * Returns the names, sizes and contents of all files of a folder.
 *
 * @param {string} folder
 */
async function readContents(folder) {
  const names = await readdir(folder, { recursive: true })
  const contents = names.sort().map(async (name) => {
    const path = join(folder, name)
    return (await stat(path)).isFile() ? [name, await readFile(path, 'base64')] : [name]
  })
  return JSON.stringify(await Promise.all(contents))
}

/** @param {Folders} folders */
async function writeShards({ inside, outside }) {
  const png = await readFile(join(CORPUS, 'images', 'palette.png'))
  const good = [
    { name: 'a.png', data: png },
    { name: 'a.cls', data: '0' },
    { name: 'b.png', data: png },
    { name: 'b.cls', data: '1' },
  ]
  const label = { name: 'c.cls', data: '0' }
  const target = join(outside, 'canary.png')
  const entries = {
    'shard with a path of ..': [{ name: '../outside/canary.png', data: png }],
    'shard with an absolute path': [{ name: target, data: png }],
    'shard with a symbolic link': [{ name: 'c.png', type: '2', link: target }, label],
    'shard with a relative link': [
      { name: 'c.png', type: '2', link: '../outside/canary.png' },
      label,
    ],
    'shard with a hard link': [{ name: 'c.png', type: '1', link: target }, label],
    'shard with a device': [{ name: 'c.png', type: '3' }, label],
  }
  /** @type {Record<string, Attack>} */
  const attacks = {}
  for (const [name, more] of Object.entries(entries)) {
    const path = join(inside, `${name.replaceAll(/\W+/g, '-')}.tar`)
    await writeFile(path, tarArchive([...good, ...more]))
    attacks[name] = { read: 'dataset', path }
  }
  return attacks
}

/** @param {Folders} folders */
async function writeWeights({ inside, outside }) {
  const marker = join(outside, 'executed')
  const canary = join(outside, 'canary')
  const call = (/** @type {string} */ name, /** @type {string} */ argument) =>
    `c${name}\n(V${argument}\ntR.`
  const pickles = {
    'pickle that runs a command': call('os\nsystem', `touch ${marker}`),
    'pickle that evaluates code': call('builtins\nexec', `open("${marker}", "w")`),
    'pickle that opens a file': call('builtins\nopen', canary),
    'pickle that imports a module': `c${canary}\nx\n.`,
  }
  /** @type {Record<string, Attack>} */
  const attacks = {}
  const add = async (/** @type {string} */ name, /** @type {Buffer | string} */ bytes) => {
    const path = join(inside, `${name.replaceAll(/\W+/g, '-')}.pth`)
    await writeFile(path, bytes)
    attacks[name] = { read: 'weights', path }
  }
  for (const [name, pickle] of Object.entries(pickles)) {
    await add(name, pickle)
    await add(`zip with a ${name}`, zipArchive({ 'x/data.pkl': pickle, 'x/byteorder': 'little' }))
  }
  for (const path of ['../outside/new', join(outside, 'new'), 'x/../../outside/new']) {
    await add(
      `zip with ${path === join(outside, 'new') ? 'an absolute path' : path}`,
      zipArchive({
        'x/data.pkl': '(d.',
        [path]: 'x',
      }),
    )
  }
  return attacks
}

/** Files of a run that are replaced by links before the run is resumed. */
const LINKED = [
  ...['.lock', 'config.json', 'environment.json', 'evaluation.json', 'metrics.csv'],
  ...['metrics.jsonl', 'result.json', 'report.html', 'events.out.tfevents.1.residual'],
  'checkpoints/best.safetensors',
]

/** @param {Folders} folders */
async function writeRuns({ inside, outside, run }) {
  /** @type {Record<string, Attack>} */
  const attacks = {}
  for (const name of LINKED) {
    for (const target of ['canary', 'missing']) {
      const path = join(inside, 'runs', `${name.replaceAll(/\W/g, '-')}-${target}`)
      await cp(run, path, { recursive: true })
      await rm(join(path, name), { force: true })
      await symlink(join(outside, target), join(path, name))
      attacks[`a resumed run with a link from ${name} to a ${target}`] = { read: 'resume', path }
    }
  }
  return attacks
}
