import { createHash } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { cp, mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../../setup/command.mjs'
import { Child, programPath } from '../child.mjs'
import { serveFile } from '../file-server.mjs'

/** @typedef {import('../case.mjs').Context} Context */
/** @typedef {import('../random.mjs').Random} Random */

const KILLS = 40
/**
 * Downloads that run at the same time: most of their time, they wait for the lock of the killed
 * process.
 */
const CHAINS = 10
/** Bound of the processes of a chain, since a download may end before it is killed. */
const PROCESSES_PER_KILL = 3
const FILES = 24
const FILE_BYTES = 40_000
const FOLDER = 'published'
const ARCHIVE = 'published.tar.gz'

const PLACES = /** @type {const} */ (['start-up', 'transfer', 'unpacking', 'end'])

/** @type {import('../case.mjs').Case} */
export const killDuringDownload = {
  name: 'kill-during-download',
  title: 'A download that is killed at any moment leaves no partial data set, and continues.',
  attack:
    'Processes that download, verify and unpack a data set from a slow local server are killed ' +
    'with SIGKILL at random moments, several times in the same folder; in some attempts a bit ' +
    'of the partial file is inverted before the next process starts. After each kill the data ' +
    'set must be absent or complete. At the end, every file must equal the published one, and ' +
    'no lock, part or staging file may remain.',
  limits:
    'A process that finds the lock of a killed one waits ten seconds before it takes the lock ' +
    'over. Received bytes are used again only if the server supports ranges. The attack uses a ' +
    'data set of its own, with the functions that download named data sets.',
  test: '__test__/download/fetch-file.test.ts',
  prove,
}

/** @param {Context} context */
async function prove(context) {
  const published = await publish(join(context.folder, 'published'), context.random('content'))
  const server = await serveFile(published.archive)
  const total = context.attempts(KILLS)
  const chains = Math.min(CHAINS, total)
  const outcomes = (
    await Promise.all(
      Array.from({ length: chains }, (_, index) => {
        const kills = Math.floor(total / chains) + (index < total % chains ? 1 : 0)
        const folder = join(context.folder, `chain-${index}`)
        return killDownloads(published, server, folder, kills, context.random(`chain ${index}`))
      }),
    )
  ).flat()
  server.close()
  const failures = outcomes.filter(({ problem }) => problem !== undefined)
  return {
    attempts: outcomes.length,
    upheld: outcomes.length - failures.length,
    failures: failures.map(({ place, problem }) => `${place}: ${problem}`),
    measurements: [
      ...PLACES.map((name) => ({
        label: `kills: ${name}`,
        value: outcomes.filter(({ place }) => place === name).length,
      })),
      { label: 'partial files with an inverted bit', value: outcomes.filter(hasFlip).length },
      { label: 'downloads', value: chains },
      {
        label: 'bytes sent for each byte of the archive',
        value: server.sentBytes() / chains / published.archive.length,
      },
    ],
    control: await runControl(published, join(context.folder, 'control')),
  }
}

/** @param {Outcome} outcome */
function hasFlip({ isFlipped }) {
  return isFlipped
}

/**
 * A data set that is downloaded as an archive.
 *
 * @typedef {object} Published
 * @property {string} folder the original files
 * @property {{ file: string, bytes: number, sha256: string }[]} files
 * @property {Buffer} archive
 */

/**
 * Creates the files of a data set and their archive.
 *
 * @param {string} parent
 * @param {Random} random
 * @returns {Promise<Published>}
 */
async function publish(parent, { integer }) {
  const folder = join(parent, FOLDER)
  await mkdir(folder, { recursive: true })
  const files = []
  for (let index = 0; index < FILES; index++) {
    // Random bytes cannot be compressed.
    const content = Buffer.from(Array.from({ length: FILE_BYTES }, () => integer(256)))
    const file = `part-${index}.bin`
    await writeFile(join(folder, file), content)
    files.push({ file, bytes: content.length, sha256: sha256(content) })
  }
  const { status, stderr } = await run('tar', ['-czf', ARCHIVE, FOLDER], { cwd: parent })
  if (status !== 0) throw new Error(`tar failed: ${stderr}`)
  return { folder, files, archive: await readFile(join(parent, ARCHIVE)) }
}

/** @param {Buffer} bytes */
function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex')
}

/**
 * @typedef {object} Outcome
 * @property {(typeof PLACES)[number]} place
 * @property {boolean} isFlipped whether a bit of the partial file was inverted after the kill
 * @property {string} [problem] why the promise did not hold
 */

/**
 * Downloads a data set into a folder, with a number of kills, and checks the result.
 *
 * @param {Published} published
 * @param {import('../file-server.mjs').FileServer} server
 * @param {string} folder
 * @param {number} kills
 * @param {Random} random
 * @returns {Promise<Outcome[]>}
 */
async function killDownloads(published, { url }, folder, kills, random) {
  const store = join(folder, 'tiny')
  const dataset = JSON.stringify(createDataset(published, url, store))
  /** @type {Outcome[]} */
  const outcomes = []
  for (
    let processes = PROCESSES_PER_KILL * kills;
    outcomes.length < kills && processes > 0;
    processes--
  ) {
    const child = download(dataset)
    const { signal, status, stderr } = await killAtMoment(child, store, random)
    if (signal !== 'SIGKILL') {
      if (status !== 0) outcomes.push({ ...NO_KILL, problem: `failed: ${stderr.slice(0, 300)}` })
      // The next process downloads into an empty folder.
      await rm(folder, { recursive: true })
      continue
    }
    const place = findKillPlace(store)
    const problem = existsSync(store) ? await findDifference(published.folder, store) : undefined
    const isFlipped = random.next() < 0.3 && (await flipBit(store, random))
    outcomes.push({ place, isFlipped, ...(problem && { problem }) })
  }
  const { status, stderr } = await download(dataset).close()
  const problem =
    status === 0
      ? ((await findDifference(published.folder, store)) ?? findLeftovers(folder))
      : `the download failed: ${stderr.slice(0, 300)}`
  return outcomes.map((outcome) => ({ ...(problem && { problem }), ...outcome }))
}

/** @param {string} dataset */
function download(dataset) {
  const env = { RESIDUAL_OFFLINE: '' }
  return Child.node([programPath('download.mjs'), dataset], { env, timeoutSeconds: 300 })
}

/** @type {Outcome} */
const NO_KILL = { place: 'end', isFlipped: false }

/**
 * @param {Published} published
 * @param {string} url
 * @param {string} store
 */
function createDataset({ files, archive }, url, store) {
  const download = { file: ARCHIVE, bytes: archive.length, sha256: sha256(archive), from: [url] }
  return {
    ...{ name: 'tiny', title: 'Tiny', description: '', license: 'MIT', homepage: '' },
    ...{ classes: 2, train: 1, test: 1, channels: 1, imageSize: 1 },
    ...{ folder: null, store, files, downloads: [{ ...download, unpack: FOLDER }] },
  }
}

/**
 * Events after which a process is killed, with the longest delay. Without an event, the delay
 * starts with the process.
 *
 * @type {readonly { trigger?: 'part' | 'all' | 'archive' | 'store', milliseconds: number }[]}
 */
const MOMENTS = [
  { milliseconds: 300 },
  { trigger: 'part', milliseconds: 250 },
  { trigger: 'all', milliseconds: 10 },
  { trigger: 'archive', milliseconds: 40 },
  { trigger: 'store', milliseconds: 4 },
]

/**
 * Kills a process at a random moment.
 *
 * @param {Child} child
 * @param {string} store
 * @param {Random} random
 */
async function killAtMoment(child, store, random) {
  const { trigger, milliseconds } = random.pick(MOMENTS)
  const delay = random.next() * milliseconds
  /** @type {NodeJS.Timeout | undefined} */
  let timer
  const start = () => {
    timer ??= setTimeout(() => child.kill(), delay)
  }
  if (trigger === undefined) start()
  const file = trigger === 'store' ? store : join(`${store}.download`, ARCHIVE)
  const isFile = trigger === 'store' || trigger === 'archive'
  const watch = setInterval(() => {
    if (isFile && existsSync(file)) start()
  }, 1)
  for (let line = await child.readLine(); line !== undefined; line = await child.readLine()) {
    if (line === trigger) start()
  }
  const ended = await child.ended
  clearTimeout(timer)
  clearInterval(watch)
  return ended
}

/**
 * Returns what a killed process was doing.
 *
 * @param {string} store
 * @returns {(typeof PLACES)[number]}
 */
function findKillPlace(store) {
  if (existsSync(store)) return 'end'
  const staging = `${store}.download`
  const names = existsSync(staging) ? readdirSync(staging) : []
  if (names.includes(ARCHIVE)) return 'unpacking'
  return names.includes(`${ARCHIVE}.part`) ? 'transfer' : 'start-up'
}

/**
 * Inverts a bit of the partial file, if it exists. Returns whether it does.
 *
 * @param {string} store
 * @param {Random} random
 */
async function flipBit(store, { integer }) {
  const part = join(`${store}.download`, `${ARCHIVE}.part`)
  if (!existsSync(part)) return false
  const { length } = await readFile(part)
  if (length === 0) return false
  const handle = await open(part, 'r+')
  const at = integer(length)
  const byte = Buffer.alloc(1)
  await handle.read(byte, 0, 1, at)
  byte[0] ^= 1 << integer(8)
  await handle.write(byte, 0, 1, at)
  await handle.close()
  return true
}

/**
 * Returns the first difference between a data set and the published files.
 *
 * @param {string} published
 * @param {string} store
 */
async function findDifference(published, store) {
  const names = await readdir(published)
  const found = (await readdir(store)).filter((name) => name !== '.residual.json')
  if (found.sort().join() !== names.sort().join()) return `the data set contains ${found}`
  for (const name of names) {
    const [a, b] = await Promise.all(
      [published, store].map((folder) => readFile(join(folder, name))),
    )
    if (!a.equals(b)) return `${name} differs`
  }
  return existsSync(join(store, '.residual.json'))
    ? undefined
    : 'the data set is not marked as verified'
}

/** @param {string} folder */
function findLeftovers(folder) {
  const names = readdirSync(folder).filter((name) => name !== 'tiny')
  return names.length === 0 ? undefined : `${names} remains`
}

/**
 * Applies the comparison to data sets with a fault.
 *
 * @param {Published} published
 * @param {string} folder
 * @returns {Promise<import('../case.mjs').Control>}
 */
async function runControl({ folder: original }, folder) {
  /** @type {((store: string) => Promise<unknown>)[]} */
  const faults = [
    (store) => rm(join(store, 'part-3.bin')),
    (store) => writeFile(join(store, 'part-5.bin'), Buffer.alloc(FILE_BYTES)),
    async (store) =>
      writeFile(join(store, 'part-7.bin'), (await readFile(join(store, 'part-7.bin'))).subarray(1)),
    (store) => rm(join(store, '.residual.json')),
    (store) => writeFile(`${store}.lock`, ''),
  ]
  let detected = 0
  for (const apply of faults) {
    const store = join(folder, 'tiny')
    await cp(original, store, { recursive: true })
    await writeFile(join(store, '.residual.json'), '{}')
    await apply(store)
    if (((await findDifference(original, store)) ?? findLeftovers(folder)) !== undefined) detected++
    await rm(folder, { recursive: true })
  }
  return {
    fault: 'data sets with a missing, zeroed, shortened or unverified file, or with a lock',
    attempts: faults.length,
    detected,
  }
}
