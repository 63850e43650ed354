import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import { ResidualError } from 'residual'
import { ensureDataset, verifyFiles } from '#dist/download/dataset.js'
import type { KnownDataset } from '#dist/download/dataset-registry.js'
import { folder } from '../tiny.js'
import { type Member, tarGz } from './archive.js'
import { good, serve } from './server.js'

const PATIENCE = { connect: 10_000, stall: 10_000, tries: 2, backoff: 1 }

const TRAIN = Buffer.alloc(5000, 'train ')
const TEST = Buffer.alloc(3000, 'test ')

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function published(file: string, bytes: Buffer, from: string[], unpack: string | null) {
  return { file, bytes: bytes.length, sha256: sha256(bytes), from, unpack }
}

/** A data set whose published files are these. */
function known(t: ExecutionContext, downloads: KnownDataset['downloads']): KnownDataset {
  const store = join(folder(t), 'datasets', 'tiny')
  const files = [
    { file: 'train.bin', bytes: TRAIN.length, sha256: sha256(TRAIN) },
    { file: 'test.bin', bytes: TEST.length, sha256: sha256(TEST) },
  ]
  const facts = { classes: 2, train: 1, test: 1, channels: 1, imageSize: 1 }
  const words = { title: 'Tiny', description: '', license: 'MIT', homepage: '' }
  return { name: 'tiny', ...words, ...facts, folder: null, store, files, downloads }
}

function archive(...more: Member[]): Buffer {
  return tarGz([
    { path: 'top/train.bin', content: TRAIN },
    { path: 'top/test.bin', content: TEST },
    ...more,
  ])
}

test('an archive is fetched, unpacked, verified and put in place in one move', async (t) => {
  const bytes = archive()
  const { url, requests } = await serve(t, good(bytes))
  const set = known(t, [published('tiny.tar.gz', bytes, [url], 'top')])
  t.is(await ensureDataset(set, {}, PATIENCE), set.store)
  t.deepEqual(readdirSync(set.store).sort(), ['.residual.json', 'test.bin', 'train.bin'])
  t.deepEqual(readdirSync(join(set.store, '..')), ['tiny'], 'nothing is left beside it')
  // The second time the marker is enough.
  await ensureDataset({ ...set, folder: set.store }, {}, PATIENCE)
  t.is(requests.length, 1)
})

test('files that are kept as they are need not be unpacked to be verified', async (t) => {
  const [train, other] = [gzipSync(TRAIN), gzipSync(TEST)]
  const { url } = await serve(t, (request, response) =>
    good(request.url === '/train.bin.gz' ? train : other)(request, response),
  )
  const set = known(t, [
    published('train.bin.gz', train, [url], null),
    published('test.bin.gz', other, [url], null),
  ])
  await ensureDataset(set, {}, PATIENCE)
  t.deepEqual(readdirSync(set.store).sort(), ['.residual.json', 'test.bin.gz', 'train.bin.gz'])
  const { ok, files } = await verifyFiles(set, set.store, undefined)
  t.true(ok, JSON.stringify(files))
})

test('two processes that want one data set fetch it once', async (t) => {
  const bytes = archive()
  const { url, requests } = await serve(t, good(bytes))
  const set = known(t, [published('tiny.tar.gz', bytes, [url], 'top')])
  await Promise.all([1, 2, 3].map(() => ensureDataset(set, {}, PATIENCE)))
  t.is(requests.length, 1)
})

test('a hostile archive leaves no data set behind, even with the right checksum', async (t) => {
  for (const member of [
    { path: '../evil', content: 'x' },
    { path: 'top/link', type: '2', link: '/etc/passwd' },
    { path: 'top/train.bin', content: 'once more' },
  ]) {
    const bytes = archive(member)
    const { url } = await serve(t, good(bytes))
    const set = known(t, [published('tiny.tar.gz', bytes, [url], 'top')])
    await t.throwsAsync(ensureDataset(set, {}, PATIENCE), { code: 'E_DATA_FORMAT' })
    t.false(existsSync(set.store))
    t.deepEqual(readdirSync(join(set.store, '..')), ['tiny.download'])
    t.deepEqual(readdirSync(`${set.store}.download`), ['tiny.tar.gz'])
  }
})

test('an archive with other files than published is refused', async (t) => {
  const bytes = tarGz([
    { path: 'top/train.bin', content: TEST },
    { path: 'top/test.bin', content: TEST },
  ])
  const { url } = await serve(t, good(bytes))
  const set = known(t, [published('tiny.tar.gz', bytes, [url], 'top')])
  const error = await t.throwsAsync(ensureDataset(set, {}, PATIENCE), { instanceOf: ResidualError })
  t.true(error?.message.includes(sha256(TRAIN)) && error.message.includes(sha256(TEST)))
  t.false(existsSync(set.store))
})

test('a copy that is there is verified once, and used', async (t) => {
  const set = known(t, [])
  set.downloads = [published('tiny.tar.gz', archive(), [], 'top')]
  mkdirSync(set.store, { recursive: true })
  writeFileSync(join(set.store, 'train.bin'), TRAIN)
  writeFileSync(join(set.store, 'test.bin.gz'), gzipSync(TEST))
  const present = { ...set, folder: set.store }
  t.is(await ensureDataset(present, {}, PATIENCE), set.store)
  t.true(existsSync(join(set.store, '.residual.json')))

  // One elsewhere, of a package of the system's, is used as well, and nothing written to it.
  const elsewhere = { ...set, store: join(folder(t), 'tiny'), folder: join(folder(t), 'usr') }
  mkdirSync(elsewhere.folder)
  writeFileSync(join(elsewhere.folder, 'train.bin'), TRAIN)
  writeFileSync(join(elsewhere.folder, 'test.bin'), TEST)
  t.is(await ensureDataset(elsewhere, {}, PATIENCE), elsewhere.folder)
  t.deepEqual(readdirSync(elsewhere.folder).sort(), ['test.bin', 'train.bin'])
})

test('a copy with other bytes is refused, and left for its owner to remove', async (t) => {
  const set = known(t, [])
  set.downloads = [published('tiny.tar.gz', archive(), [], 'top')]
  mkdirSync(set.store, { recursive: true })
  writeFileSync(join(set.store, 'train.bin'), Buffer.alloc(5000, 'other '))
  writeFileSync(join(set.store, 'test.bin'), TEST)
  const error = await t.throwsAsync(ensureDataset({ ...set, folder: set.store }, {}, PATIENCE), {
    instanceOf: ResidualError,
    code: 'E_DATA_FORMAT',
  })
  t.regex(error?.message ?? '', /train\.bin has SHA-256 [0-9a-f]{64}, not [0-9a-f]{64}/)
  t.is(readdirSync(set.store).length, 2)
})

test('a folder of somebody’s own in its place is not touched', async (t) => {
  const bytes = archive()
  const { url } = await serve(t, good(bytes))
  const set = known(t, [published('tiny.tar.gz', bytes, [url], 'top')])
  mkdirSync(set.store, { recursive: true })
  writeFileSync(join(set.store, 'thesis.txt'), 'years of work')
  await t.throwsAsync(ensureDataset(set, {}, PATIENCE), { code: 'E_WRITE' })
  t.is(readFileSync(join(set.store, 'thesis.txt'), 'utf8'), 'years of work')
})
