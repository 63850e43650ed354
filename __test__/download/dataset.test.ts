import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import { ResidualError } from 'residual'
import { ensureDataset, verifyFiles } from '#dist/download/dataset.js'
import type { KnownDataset } from '#dist/download/dataset-registry.js'
import { tempFolder } from '../tiny.js'
import { type ArchiveEntry, tarGz } from './archive.js'
import { fileHandler, serve } from './server.js'

const POLICY = { connectTimeout: 10_000, idleTimeout: 10_000, attempts: 2, backoff: 1 }

const TRAIN = Buffer.alloc(5000, 'train ')
const TEST = Buffer.alloc(3000, 'test ')

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function published(file: string, bytes: Buffer, from: string[], unpack: string | null) {
  return { file, bytes: bytes.length, sha256: sha256(bytes), from, unpack }
}

/** Returns a data set with the given downloads, which is not on this machine. */
function datasetOf(t: ExecutionContext, downloads: KnownDataset['downloads']) {
  const store = join(tempFolder(t), 'datasets', 'tiny')
  const files = [
    { file: 'train.bin', bytes: TRAIN.length, sha256: sha256(TRAIN) },
    { file: 'test.bin', bytes: TEST.length, sha256: sha256(TEST) },
  ]
  const numbers = { classes: 2, train: 1, test: 1, channels: 1, imageSize: 1 }
  const texts = { title: 'Tiny', description: '', license: 'MIT', homepage: '' }
  return {
    ...{ name: 'tiny', ...texts, ...numbers, store, files, downloads },
    folder: null as string | null,
  }
}

function archive(...more: ArchiveEntry[]): Buffer {
  return tarGz([
    { path: 'top/train.bin', content: TRAIN },
    { path: 'top/test.bin', content: TEST },
    ...more,
  ])
}

test('downloads, unpacks and verifies an archive, and renames the result', async (t) => {
  const bytes = archive()
  const { url, requests } = await serve(t, fileHandler(bytes))
  const set = datasetOf(t, [published('tiny.tar.gz', bytes, [url], 'top')])
  t.is(await ensureDataset(set, {}, POLICY), set.store)
  t.deepEqual(readdirSync(set.store).sort(), ['.residual.json', 'test.bin', 'train.bin'])
  t.deepEqual(readdirSync(join(set.store, '..')), ['tiny'], 'no other file remains')
  // The marker file makes a second verification unnecessary.
  await ensureDataset({ ...set, folder: set.store }, {}, POLICY)
  t.is(requests.length, 1)
})

test('verifies compressed files without unpacking them to disk', async (t) => {
  const [train, test] = [gzipSync(TRAIN), gzipSync(TEST)]
  const { url } = await serve(t, (request, response) =>
    fileHandler(request.url === '/train.bin.gz' ? train : test)(request, response),
  )
  const set = datasetOf(t, [
    published('train.bin.gz', train, [url], null),
    published('test.bin.gz', test, [url], null),
  ])
  await ensureDataset(set, {}, POLICY)
  t.deepEqual(readdirSync(set.store).sort(), ['.residual.json', 'test.bin.gz', 'train.bin.gz'])
  const { ok, files } = await verifyFiles(set, set.store, undefined)
  t.true(ok, JSON.stringify(files))
})

test('without a cache folder, only a download fails', async (t) => {
  const bytes = archive()
  const { url, requests } = await serve(t, fileHandler(bytes))
  const set = datasetOf(t, [published('tiny.tar.gz', bytes, [url], 'top')])
  const error = await t.throwsAsync(ensureDataset({ ...set, store: null }, {}, POLICY), {
    instanceOf: ResidualError,
    code: 'E_WRITE',
  })
  t.regex(error?.hint ?? '', /RESIDUAL_CACHE/)
  t.is(requests.length, 0)
  const folder = await ensureDataset(set, {}, POLICY)
  t.is(await ensureDataset({ ...set, folder, store: null }, {}, POLICY), folder)
})

test('removes the staging folder that a process killed at the end of a download has left', async (t) => {
  const bytes = archive()
  const { url } = await serve(t, fileHandler(bytes))
  const set = datasetOf(t, [published('tiny.tar.gz', bytes, [url], 'top')])
  await ensureDataset(set, {}, POLICY)
  for (const folder of [set.store, null]) {
    mkdirSync(`${set.store}.download`)
    writeFileSync(join(`${set.store}.download`, 'tiny.tar.gz'), bytes)
    await ensureDataset({ ...set, folder }, {}, POLICY)
    t.deepEqual(readdirSync(join(set.store, '..')), ['tiny'])
  }
})

test('concurrent calls download a data set once', async (t) => {
  const bytes = archive()
  const { url, requests } = await serve(t, fileHandler(bytes))
  const set = datasetOf(t, [published('tiny.tar.gz', bytes, [url], 'top')])
  await Promise.all([1, 2, 3].map(() => ensureDataset(set, {}, POLICY)))
  t.is(requests.length, 1)
})

test('a malicious archive creates no data set, even with the right checksum', async (t) => {
  for (const member of [
    { path: '../evil', content: 'x' },
    { path: 'top/link', type: '2', link: '/etc/passwd' },
    { path: 'top/train.bin', content: 'duplicate' },
  ]) {
    const bytes = archive(member)
    const { url } = await serve(t, fileHandler(bytes))
    const set = datasetOf(t, [published('tiny.tar.gz', bytes, [url], 'top')])
    await t.throwsAsync(ensureDataset(set, {}, POLICY), { code: 'E_DATA_FORMAT' })
    t.false(existsSync(set.store))
    t.deepEqual(readdirSync(join(set.store, '..')), ['tiny.download'])
    t.deepEqual(readdirSync(`${set.store}.download`), ['tiny.tar.gz'])
  }
})

test('rejects an archive whose files differ from the published checksums', async (t) => {
  const bytes = tarGz([
    { path: 'top/train.bin', content: TEST },
    { path: 'top/test.bin', content: TEST },
  ])
  const { url } = await serve(t, fileHandler(bytes))
  const set = datasetOf(t, [published('tiny.tar.gz', bytes, [url], 'top')])
  const error = await t.throwsAsync(ensureDataset(set, {}, POLICY), { instanceOf: ResidualError })
  t.true(error?.message.includes(sha256(TRAIN)) && error.message.includes(sha256(TEST)))
  t.false(existsSync(set.store))
})

test('verifies an existing copy once and uses it', async (t) => {
  const set = datasetOf(t, [])
  set.downloads = [published('tiny.tar.gz', archive(), [], 'top')]
  mkdirSync(set.store, { recursive: true })
  writeFileSync(join(set.store, 'train.bin'), TRAIN)
  writeFileSync(join(set.store, 'test.bin.gz'), gzipSync(TEST))
  const present = { ...set, folder: set.store }
  t.is(await ensureDataset(present, {}, POLICY), set.store)
  t.true(existsSync(join(set.store, '.residual.json')))

  // A copy outside the cache, such as a system package, is used without writing to it.
  const system = { ...set, store: join(tempFolder(t), 'tiny'), folder: join(tempFolder(t), 'usr') }
  mkdirSync(system.folder)
  writeFileSync(join(system.folder, 'train.bin'), TRAIN)
  writeFileSync(join(system.folder, 'test.bin'), TEST)
  t.is(await ensureDataset(system, {}, POLICY), system.folder)
  t.deepEqual(readdirSync(system.folder).sort(), ['test.bin', 'train.bin'])
})

test('rejects a copy with other content, and does not delete it', async (t) => {
  const set = datasetOf(t, [])
  set.downloads = [published('tiny.tar.gz', archive(), [], 'top')]
  mkdirSync(set.store, { recursive: true })
  writeFileSync(join(set.store, 'train.bin'), Buffer.alloc(5000, 'other '))
  writeFileSync(join(set.store, 'test.bin'), TEST)
  const error = await t.throwsAsync(ensureDataset({ ...set, folder: set.store }, {}, POLICY), {
    instanceOf: ResidualError,
    code: 'E_DATA_FORMAT',
  })
  t.regex(error?.message ?? '', /train\.bin has SHA-256 [0-9a-f]{64} instead of [0-9a-f]{64}/)
  t.is(readdirSync(set.store).length, 2)
})

test('does not change an unrelated folder at the target path', async (t) => {
  const bytes = archive()
  const { url } = await serve(t, fileHandler(bytes))
  const set = datasetOf(t, [published('tiny.tar.gz', bytes, [url], 'top')])
  mkdirSync(set.store, { recursive: true })
  writeFileSync(join(set.store, 'thesis.txt'), 'years of work')
  await t.throwsAsync(ensureDataset(set, {}, POLICY), { code: 'E_WRITE' })
  t.is(readFileSync(join(set.store, 'thesis.txt'), 'utf8'), 'years of work')
})
