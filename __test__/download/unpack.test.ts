import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import { AbortError, ResidualError } from 'residual'
import { limitsFor, unpack } from '#dist/bindings/ts/download/unpack.js'
import { folder } from '../tiny.js'
import { type Member, tarGz } from './archive.js'

const LIMITS = limitsFor(1000)

/** An archive in a folder of its own, and where it is to be unpacked. */
function prepare(t: ExecutionContext, archive: Buffer) {
  const parent = folder(t)
  const file = join(parent, 'set.tar.gz')
  const target = join(parent, 'new', 'set')
  writeFileSync(file, archive)
  mkdirSync(target, { recursive: true })
  return { parent, file, target }
}

async function refused(t: ExecutionContext, archive: Buffer, limits = LIMITS): Promise<string> {
  const { parent, file, target } = prepare(t, archive)
  const error = await t.throwsAsync(unpack(file, 'set', target, limits), {
    instanceOf: ResidualError,
    code: 'E_DATA_FORMAT',
  })
  t.deepEqual(readdirSync(parent).sort(), ['new', 'set.tar.gz'], 'nothing outside')
  t.deepEqual(readdirSync(join(parent, 'new')), ['set'])
  return error?.message ?? ''
}

const good: Member = { path: 'set/a.bin', content: 'aaa' }

test('files below the wanted folder are unpacked, and nothing else', async (t) => {
  const { file, target } = prepare(
    t,
    tarGz([
      { path: 'set/', type: '5' },
      good,
      { path: './set/deep/b.bin', content: Buffer.alloc(70_000, 7), mode: 0o6777 },
      { path: 'other/c.bin', content: 'ccc' },
      { path: 'readme', content: 'ddd' },
    ]),
  )
  await unpack(file, 'set', target, LIMITS)
  t.deepEqual(readdirSync(target).sort(), ['a.bin', 'deep'])
  t.is(readFileSync(join(target, 'a.bin'), 'utf8'), 'aaa')
  t.is(statSync(join(target, 'deep', 'b.bin')).size, 70_000)
  t.is(statSync(join(target, 'deep', 'b.bin')).mode & 0o7111, 0, 'no set-uid bit, no program')
})

test('paths that lead out of the folder are refused', async (t) => {
  for (const path of [
    '../evil',
    'set/../../evil',
    'set/..',
    '/tmp/evil',
    '//evil',
    'C:/evil',
    'c:evil',
    'set\\..\\..\\evil',
    'set/a\\b',
  ]) {
    t.regex(
      await refused(t, tarGz([good, { path, content: 'x' }])),
      /leads out of the folder/,
      path,
    )
  }
})

test('links, devices and pipes are refused, wherever they point', async (t) => {
  for (const [type, kind] of [
    ['1', 'Link'],
    ['2', 'SymbolicLink'],
    ['3', 'CharacterDevice'],
    ['4', 'BlockDevice'],
    ['6', 'FIFO'],
  ] as const) {
    const targets = kind.includes('Link') ? ['a.bin', '/etc/passwd', '../../evil'] : ['']
    for (const link of targets) {
      const message = await refused(t, tarGz([good, { path: 'set/b.bin', type, link }]))
      t.true(message.includes(`no plain file (${kind})`), message)
    }
  }
  t.regex(await refused(t, tarGz([{ path: 'set/b.bin', type: 'Z', content: 'x' }])), /kind/)
  // A link that a later member would be written through.
  const through = [
    { path: 'set/dir', type: '2', link: '/tmp' },
    { path: 'set/dir/evil', content: 'x' },
  ]
  t.regex(await refused(t, tarGz(through)), /no plain file/)
})

test('a file that comes twice is refused, also in other letters', async (t) => {
  for (const path of ['set/a.bin', 'set//a.bin', './set/./a.bin', 'set/A.BIN']) {
    t.regex(await refused(t, tarGz([good, { path, content: 'b' }])), /twice/, path)
  }
  const accents = ['set/\u00e9', 'set/e\u0301'].map((path) => ({ path, content: 'x' }))
  t.regex(await refused(t, tarGz(accents)), /twice/)
  const both = [good, { path: 'set/a.bin/b', content: 'x' }]
  t.regex(await refused(t, tarGz(both)), /a file and a folder of one name/)
})

test('a bomb is refused before it has filled anything', async (t) => {
  const zeros = Buffer.alloc(20 << 20)
  const bomb = tarGz([{ path: 'set/zeros', content: zeros }], 9)
  t.true(bomb.length < 100_000)
  t.regex(await refused(t, bomb), /too large/)
  t.regex(await refused(t, bomb, { ...LIMITS, bytes: 1 << 30 }), /a bomb/)
  const many = Array.from({ length: 20 }, (_, index) => ({
    path: `set/${index}`,
    content: zeros.subarray(0, 1 << 20),
  }))
  t.regex(await refused(t, tarGz(many), { ...LIMITS, ratio: 1e9 }), /unpacks to more than/)
  const members = Array.from({ length: 1100 }, (_, index) => ({ path: `set/${index}` }))
  t.regex(await refused(t, tarGz(members)), /more than 1000 members/)
})

test('an archive that lies about its sizes, or breaks off, is refused', async (t) => {
  const size = 2 ** 33 - 1
  t.regex(await refused(t, tarGz([{ ...good, size }])), /too large|Truncated/)
  await refused(t, tarGz([{ ...good, size: 100_000 }]))
  const whole = tarGz([good, { path: 'set/b.bin', content: Buffer.alloc(5000, 1) }])
  for (const length of [0, 1, 9, 20, whole.length >> 1, whole.length - 9, whole.length - 1]) {
    await refused(t, whole.subarray(0, length))
  }
  const plain = gunzipSync(whole)
  await refused(t, gzipSync(plain.subarray(0, 700)))
  await refused(t, gzipSync(plain.subarray(0, 2000)))
  await refused(t, Buffer.from('<!doctype html><h1>Log in</h1>'))
  await refused(t, gzipSync('no tar archive, only a text'.repeat(100)))
  t.regex(await refused(t, tarGz([{ ...good, path: 'set/\x01' }])), /no usable name/)
  t.regex(await refused(t, tarGz([{ ...good, path: `set/${'d/'.repeat(40)}x` }])), /no usable/)
})

test('whatever bytes of an archive are changed, nothing is written outside', async (t) => {
  const plain = gunzipSync(tarGz([good, { path: 'set/b.bin', content: 'b'.repeat(600) }]))
  let seed = 1
  const random = (below: number) => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed % below
  }
  for (let round = 0; round < 60; round++) {
    const changed = Buffer.from(plain)
    for (let change = 0; change <= random(4); change++) {
      changed[random(changed.length)] = random(256)
    }
    const { parent, file, target } = prepare(t, gzipSync(changed, { level: 1 }))
    try {
      await unpack(file, 'set', target, LIMITS)
    } catch (error) {
      if (!(error instanceof ResidualError)) throw error
    }
    t.deepEqual(readdirSync(parent).sort(), ['new', 'set.tar.gz'])
    t.deepEqual(readdirSync(join(parent, 'new')), ['set'])
  }
})

test('unpacking ends with its signal', async (t) => {
  const { file, target } = prepare(t, tarGz([good]))
  const unpacking = unpack(file, 'set', target, LIMITS, AbortSignal.abort())
  await t.throwsAsync(unpacking, { instanceOf: AbortError })
  t.false(existsSync(join(target, 'a.bin')))
})
