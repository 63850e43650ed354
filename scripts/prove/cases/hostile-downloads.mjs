import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { Child, CLI, programPath } from '../child.mjs'
import { tarArchive } from '../hostile/archives.mjs'
import { serve } from '../hostile/http-server.mjs'
import { mutate } from '../hostile/mutate.mjs'

/** @typedef {import('../case.mjs').Context} Context */
/** @typedef {import('node:http').RequestListener} Handler */
/** @typedef {import('node:http').ServerResponse} ServerResponse */

const CONTENT = Buffer.alloc(60_000, 'the published bytes ')
const TRAIN = Buffer.alloc(5000, 'train ')
const TEST = Buffer.alloc(3000, 'test ')
const MUTATIONS = 300
const MAX_SECONDS = 20
const MAX_MEGABYTES = 400

/** @type {import('../case.mjs').Case} */
export const hostileDownloads = {
  name: 'hostile-downloads',
  title:
    'A download is the published file or an error, and an archive creates no file outside of its ' +
    'data set.',
  attack:
    'A server on 127.0.0.1 sends truncated, oversized, endless, slow, stalled, wrong, compressed ' +
    'and redirected answers to the downloader, and to `residual data download` through ' +
    '`RESIDUAL_MIRROR`. Other answers are archives with the published checksum, but with paths of ' +
    '`..`, absolute paths, links, devices, duplicates, decompression bombs and random damage. ' +
    'After each answer the target must be missing or have the published content, and the folder ' +
    'above must contain no other file.',
  limits:
    'Published checksums are part of the package: whoever replaces the package replaces them. ' +
    'torchvision publishes eight digits of a checksum, which detect damage but not manipulation; ' +
    'those files are downloaded over HTTPS.',
  test: '__test__/download/unpack.test.ts',
  timeoutSeconds: 600,
  prove,
}

/** @param {Context} context */
async function prove(context) {
  const transfers = await attackTransfers(context)
  const archives = await attackArchives(context)
  const commands = await attackCommand(context)
  const failures = [...transfers.failures, ...archives.failures, ...commands.failures]
  const attempts = transfers.attempts + archives.attempts + commands.attempts
  const controls = [...transfers.controls, ...archives.controls]
  return {
    attempts,
    upheld: attempts - failures.length,
    failures,
    measurements: [
      { label: 'answers to the downloader', value: transfers.attempts },
      { label: 'hostile archives', value: archives.attempts },
      { label: 'answers to `residual data download`', value: commands.attempts },
      { label: 'longest time of a download', value: transfers.seconds, unit: 's' },
      { label: 'peak memory of the process', value: Math.round(archives.megabytes), unit: 'MB' },
    ],
    control: {
      fault: 'other content with its own checksum, and an archive that was unpacked by `tar -P`',
      attempts: controls.length,
      detected: controls.filter((isDetected) => isDetected).length,
    },
  }
}

/**
 * Sends an answer and ends it.
 *
 * @param {ServerResponse} response
 * @param {Buffer | string} body
 * @param {Record<string, string | number>} [headers]
 */
function send(response, body, headers = { 'content-length': Buffer.byteLength(body) }) {
  response.writeHead(200, headers).end(body)
}

/**
 * Sends a part of the announced bytes and cuts the connection.
 *
 * @param {ServerResponse} response
 * @param {number} length
 */
function cut(response, length) {
  response.writeHead(200, { 'content-length': CONTENT.length })
  response.write(CONTENT.subarray(0, length), () => response.destroy())
}

/**
 * Sends bytes until the client closes the connection.
 *
 * @param {ServerResponse} response
 */
function sendEndlessly(response) {
  response.writeHead(200)
  const more = () => {
    while (!response.destroyed && response.write(CONTENT));
    response.once('drain', more)
  }
  more()
}

/** @type {Record<string, Handler>} */
const ANSWERS = {
  empty: (_, response) => send(response, ''),
  'wrong content': (_, response) => send(response, Buffer.alloc(CONTENT.length, 'x')),
  'one other byte': (_, response) =>
    send(response, Buffer.concat([CONTENT.subarray(1), Buffer.from('x')])),
  'one byte more': (_, response) => send(response, Buffer.concat([CONTENT, Buffer.from('x')])),
  'more bytes than announced': (_, response) => {
    response.writeHead(200, { 'content-length': CONTENT.length })
    response.socket?.write(Buffer.concat([CONTENT, CONTENT]))
  },
  'cut after 0 bytes': (_, response) => cut(response, 0),
  'cut after 100 bytes': (_, response) => cut(response, 100),
  'cut before the last byte': (_, response) => cut(response, CONTENT.length - 1),
  endless: (_, response) => sendEndlessly(response),
  'an announced terabyte': (_, response) => send(response, CONTENT, { 'content-length': 1e12 }),
  'a negative length': (_, response) => {
    response.socket?.end('HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabc')
  },
  'no HTTP': (_, response) => void response.socket?.end('SSH-2.0-OpenSSH_9.6\r\n'),
  'no answer': () => {},
  'headers without end': (_, response) => {
    response.socket?.write(`HTTP/1.1 200 OK\r\n${'X-A: b\r\n'.repeat(10)}`)
  },
  'a flood of headers': (_, response) => {
    response.socket?.end(`HTTP/1.1 200 OK\r\n${'X-A: b\r\n'.repeat(100_000)}\r\n`)
  },
  stalled: (_, response) => {
    response.writeHead(200, { 'content-length': CONTENT.length })
    response.write(CONTENT.subarray(0, 100))
  },
  'a web page': (_, response) => send(response, '<h1>Log in</h1>', { 'content-type': 'text/html' }),
  compressed: (_, response) => send(response, gzipSync(CONTENT), { 'content-encoding': 'gzip' }),
  'status 404': (_, response) => void response.writeHead(404).end(CONTENT),
  'status 500': (_, response) => void response.writeHead(500).end(CONTENT),
  'status 206 without a request': (_, response) => {
    response.writeHead(206, { 'content-range': `bytes 5-10/${CONTENT.length}` }).end('abcdef')
  },
  'retry in a year': (_, response) =>
    void response.writeHead(404, { 'retry-after': '31536000' }).end(),
  'redirect to itself': ({ url = '/' }, response) =>
    void response.writeHead(302, { location: url }).end(),
  'redirects without end': ({ url = '/' }, response) =>
    void response.writeHead(302, { location: `${url}x` }).end(),
  'redirect to a file': (_, response) =>
    void response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
  'redirect to data': (_, response) =>
    void response.writeHead(302, { location: 'data:text/plain,abc' }).end(),
  'redirect to no URL': (_, response) =>
    void response.writeHead(302, { location: 'http://[' }).end(),
  'redirect to a closed port': (_, response) =>
    void response.writeHead(302, { location: 'http://127.0.0.1:1/x' }).end(),
}

/** @param {Buffer} bytes */
function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex')
}

/**
 * Downloads each answer, into an empty folder and over a damaged partial download.
 *
 * @param {Context} context
 */
async function attackTransfers({ folder, log }) {
  const downloader = new Downloader()
  const parent = join(folder, 'transfers')
  const failures = []
  let attempts = 0
  for (const [name, handler] of Object.entries(ANSWERS)) {
    for (const isResumed of [false, true]) {
      const server = await serve(handler)
      const target = join(parent, 'cache', 'file.bin')
      const file = { name: 'x', file: 'file.bin', target, urls: [`${server.url}file.bin`] }
      await mkdir(join(parent, 'cache'), { recursive: true })
      if (isResumed) await writePart(target, file.urls[0])
      const published = { bytes: CONTENT.length, sha256: sha256(CONTENT) }
      const problem =
        (await downloader.download({ file: { ...file, ...published } })) ??
        (await findTargetProblem(parent, target, CONTENT))
      attempts++
      if (problem !== undefined) {
        failures.push(`${name}${isResumed ? ', after a partial download' : ''}: ${problem}`)
      }
      server.close()
      await rm(parent, { recursive: true })
    }
  }
  await downloader.close()
  log(`${attempts} answers, ${failures.length} problems`)
  const control = await isOtherContentDetected(parent)
  return { attempts, failures, controls: [control], seconds: downloader.peak.seconds }
}

/**
 * Writes a partial download that an attacker prepared.
 *
 * @param {string} target
 * @param {string} url
 */
async function writePart(target, url) {
  await writeFile(`${target}.part`, Buffer.alloc(1000, 'other bytes'))
  await writeFile(`${target}.part.json`, JSON.stringify({ url, etag: '"one"' }))
}

/** @param {string} parent */
async function isOtherContentDetected(parent) {
  const target = join(parent, 'cache', 'file.bin')
  await mkdir(join(parent, 'cache'), { recursive: true })
  await writeFile(target, Buffer.alloc(CONTENT.length, 'x'))
  const problem = await findTargetProblem(parent, target, CONTENT)
  await rm(parent, { recursive: true })
  return problem !== undefined
}

/**
 * Returns what is wrong after a download; undefined if the target is missing or has the published
 * content, and if nothing else was created.
 *
 * @param {string} parent
 * @param {string} target
 * @param {Buffer} content
 */
async function findTargetProblem(parent, target, content) {
  const found = await readFile(target).catch(() => undefined)
  if (found !== undefined && !found.equals(content)) return 'the target has other content'
  const names = await readdir(parent)
  return names.join() === 'cache' ? undefined : `created ${names.join(', ')}`
}

/** A process that downloads, which is replaced after a crash. */
class Downloader {
  /** @type {Child | undefined} */
  #child
  peak = { seconds: 0, megabytes: 0 }

  /**
   * Downloads a file or a data set.
   *
   * @param {object} request
   * @returns {Promise<string | undefined>} why the outcome is wrong
   */
  async download(request) {
    this.#child ??= Child.node([programPath('download-hostile.mjs')], {
      env: { RESIDUAL_OFFLINE: '' },
      timeoutSeconds: 500,
    })
    try {
      const { error, seconds, megabytes } = await this.#child.request(request)
      this.peak.seconds = Math.max(this.peak.seconds, seconds)
      this.peak.megabytes = Math.max(this.peak.megabytes, megabytes)
      if (seconds > MAX_SECONDS) return `took ${Math.round(seconds)} s`
      if (megabytes > MAX_MEGABYTES) return `used ${Math.round(megabytes)} MB`
      if (error === undefined) return undefined
      const isExpected = ['E_DOWNLOAD', 'E_DATA_FORMAT', 'E_WRITE'].includes(error.code)
      return isExpected ? undefined : `fails with ${error.code}: ${error.message}`
    } catch (error) {
      this.#child = undefined
      return /** @type {Error} */ (error).message
    }
  }

  async close() {
    await this.#child?.close()
  }
}

/** @typedef {import('../hostile/archives.mjs').TarEntry} TarEntry */

/** @type {readonly TarEntry[]} */
const FILES = [
  { name: 'top/train.bin', data: TRAIN },
  { name: 'top/test.bin', data: TEST },
]

/** @returns {Record<string, Buffer>} compressed archives by name */
function createHostileArchives() {
  const zeros = Buffer.alloc(40 << 20)
  const many = Array.from({ length: 3000 }, (_, index) => ({ name: `top/${index}` }))
  /** @type {Record<string, TarEntry[]>} */
  const entries = {
    'a path of ..': [{ name: '../evil', data: 'x' }],
    'a path of .. in the middle': [{ name: 'top/../../evil', data: 'x' }],
    'an absolute path': [{ name: '/tmp/residual-evil', data: 'x' }],
    'a path with backslashes': [{ name: 'top\\..\\..\\evil', data: 'x' }],
    'a path with a drive': [{ name: 'C:/evil', data: 'x' }],
    'a symbolic link': [{ name: 'top/a', type: '2', link: '../../evil' }],
    'a file below a link': [
      { name: 'top/d', type: '2', link: '/tmp' },
      { name: 'top/d/residual-evil', data: 'x' },
    ],
    'a hard link': [{ name: 'top/a', type: '1', link: '/etc/passwd' }],
    'a device': [{ name: 'top/a', type: '3' }],
    'a pipe': [{ name: 'top/a', type: '6' }],
    'a duplicate': [{ name: 'top/train.bin', data: 'x' }],
    'a duplicate in other case': [{ name: 'top/TRAIN.BIN', data: 'x' }],
    'an unknown type': [{ name: 'top/a', type: 'Z', data: 'x' }],
    'an extended path of ..': [
      { name: 'pax', type: 'x', data: '21 path=../../../evil\n' },
      { name: 'top/a', data: 'x' },
    ],
    'a long name of ..': [
      { name: '././@LongLink', type: 'L', data: `${'../'.repeat(40)}evil\x00` },
      { name: 'top/a', data: 'x' },
    ],
    'control characters': [{ name: 'top/\x1b[2J', data: 'x' }],
    'a wrong size': [{ name: 'top/a', data: 'x', size: 2 ** 33 - 1 }],
    'a bomb': [{ name: 'top/zeros', data: zeros }],
    'many entries': many,
  }
  return Object.fromEntries(
    Object.entries(entries).map(([name, more]) => [
      name,
      gzipSync(tarArchive([...FILES, ...more]), { level: 9 }),
    ]),
  )
}

/**
 * Unpacks hostile archives that have the published checksum.
 *
 * @param {Context} context
 */
async function attackArchives(context) {
  const { folder, log } = context
  const downloader = new Downloader()
  const random = context.random('archives')
  const intact = tarArchive(FILES)
  const archives = Object.entries(createHostileArchives())
  for (let index = 0; index < context.attempts(MUTATIONS); index++) {
    const isPacked = index % 4 === 0
    const packed = isPacked ? mutate(gzipSync(intact), random) : gzipSync(mutate(intact, random))
    archives.push([`damaged archive ${index}`, packed])
  }
  const failures = []
  for (const [name, bytes] of archives) {
    const problem = await findArchiveProblem(folder, downloader, bytes)
    if (problem !== undefined) failures.push(`${name}: ${problem}`)
  }
  await downloader.close()
  log(`${archives.length} archives, ${failures.length} problems`)
  const control = await isEscapeDetected(folder)
  const { megabytes } = downloader.peak
  return { attempts: archives.length, failures, controls: [control], megabytes }
}

/**
 * @param {string} folder
 * @param {Downloader} downloader
 * @param {Buffer} bytes
 */
async function findArchiveProblem(folder, downloader, bytes) {
  const server = await serve((_, response) => send(response, bytes))
  const parent = join(folder, 'archives')
  await mkdir(join(parent, 'cache'), { recursive: true })
  const download = { file: 'set.tar.gz', bytes: bytes.length, sha256: sha256(bytes) }
  const dataset = {
    ...{ name: 'tiny', title: '', description: '', license: '', homepage: '' },
    ...{ classes: 2, train: 1, test: 1, channels: 1, imageSize: 1, folder: null },
    store: join(parent, 'cache', 'tiny'),
    downloads: [{ ...download, from: [server.url], unpack: 'top' }],
    files: [
      { file: 'train.bin', bytes: TRAIN.length, sha256: sha256(TRAIN) },
      { file: 'test.bin', bytes: TEST.length, sha256: sha256(TEST) },
    ],
  }
  const problem =
    (await downloader.download({ dataset })) ?? (await findCacheProblem(parent, dataset.store))
  server.close()
  await rm(parent, { recursive: true })
  return problem
}

/**
 * @param {string} parent
 * @param {string} store
 */
async function findCacheProblem(parent, store) {
  const names = await readdir(parent)
  if (names.join() !== 'cache') return `created ${names.join(', ')}`
  if ((await stat('/tmp/residual-evil').catch(() => undefined)) !== undefined) {
    return 'created /tmp/residual-evil'
  }
  const others = (await readdir(join(parent, 'cache'))).filter((name) => !/^tiny/.test(name))
  if (others.length > 0) return `created ${others.join(', ')}`
  const files = await readdir(store).catch(() => undefined)
  if (files === undefined) return undefined
  for (const [name, content] of /** @type {const} */ ([
    ['train.bin', TRAIN],
    ['test.bin', TEST],
  ])) {
    if (!(await readFile(join(store, name))).equals(content)) return `${name} has other content`
  }
  return undefined
}

/**
 * Unpacks an archive with a path of `..` as a careless program would.
 *
 * @param {string} folder
 */
async function isEscapeDetected(folder) {
  const parent = join(folder, 'archives')
  await mkdir(join(parent, 'cache'), { recursive: true })
  const archive = join(folder, 'evil.tar')
  await writeFile(archive, tarArchive([{ name: '../evil', data: 'x' }]))
  await new Child('tar', ['-xPf', archive, '-C', join(parent, 'cache')]).close()
  const problem = await findCacheProblem(parent, join(parent, 'cache', 'tiny'))
  await rm(parent, { recursive: true })
  return problem !== undefined
}

/** Answers that `residual data download` gives up on without waiting for a retry. */
const COMMAND_ANSWERS = [
  'wrong content',
  'one byte more',
  'a web page',
  'status 404',
  'redirect to a file',
]

/**
 * Downloads a data set with the command from a hostile mirror.
 *
 * @param {Context} context
 */
async function attackCommand({ folder, log }) {
  const failures = []
  for (const name of COMMAND_ANSWERS) {
    const server = await serve(ANSWERS[name])
    const cache = join(folder, 'command', 'cache')
    await mkdir(cache, { recursive: true })
    const env = { RESIDUAL_OFFLINE: '', RESIDUAL_MIRROR: server.url, RESIDUAL_CACHE: cache }
    const child = Child.node([CLI, 'data', 'download', 'mnist'], {
      env: { ...env, RESIDUAL_DATA: '' },
    })
    const { status, signal, stderr } = await child.close()
    server.close()
    const left = (await readdir(cache, { recursive: true })).filter((file) => /ubyte/.test(file))
    const isRefused = status !== 0 && signal === null && /error/.test(stderr)
    if (!isRefused) failures.push(`${name}: the command ended with ${signal ?? status}: ${stderr}`)
    else if (left.some((file) => !/\.(part|json)$/.test(file))) {
      failures.push(`${name}: the command left ${left.join(', ')}`)
    }
    await rm(join(folder, 'command'), { recursive: true })
  }
  log(`${COMMAND_ANSWERS.length} answers to the command, ${failures.length} problems`)
  return { attempts: COMMAND_ANSWERS.length, failures }
}
