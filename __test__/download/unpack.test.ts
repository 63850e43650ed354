import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import { AbortError, ResidualError } from 'residual'
import { limitsFor, unpack } from '#dist/download/unpack.js'
import { tempFolder } from '../tiny.js'
import { type ArchiveEntry, tarGz, updateChecksums } from './archive.js'

const LIMITS = limitsFor(1000)

/** Writes an archive to a temporary folder and creates the target folder. */
function prepare(t: ExecutionContext, archive: Buffer) {
  const parent = tempFolder(t)
  const file = join(parent, 'set.tar.gz')
  const target = join(parent, 'new', 'set')
  writeFileSync(file, archive)
  mkdirSync(target, { recursive: true })
  return { parent, file, target }
}

async function unpackFails(t: ExecutionContext, archive: Buffer, limits = LIMITS): Promise<string> {
  const { parent, file, target } = prepare(t, archive)
  const error = await t.throwsAsync(unpack(file, 'set', target, limits), {
    instanceOf: ResidualError,
    code: 'E_DATA_FORMAT',
  })
  t.deepEqual(readdirSync(parent).sort(), ['new', 'set.tar.gz'], 'no file outside the target')
  t.deepEqual(readdirSync(join(parent, 'new')), ['set'])
  return error?.message ?? ''
}

const valid: ArchiveEntry = { path: 'set/a.bin', content: 'aaa' }

test('extracts only the files below the given folder', async (t) => {
  const { file, target } = prepare(
    t,
    tarGz([
      { path: 'set/', type: '5' },
      valid,
      { path: './set/deep/b.bin', content: Buffer.alloc(70_000, 7), mode: 0o6777 },
      { path: 'other/c.bin', content: 'ccc' },
      { path: 'readme', content: 'ddd' },
    ]),
  )
  await unpack(file, 'set', target, LIMITS)
  t.deepEqual(readdirSync(target).sort(), ['a.bin', 'deep'])
  t.is(readFileSync(join(target, 'a.bin'), 'utf8'), 'aaa')
  t.is(statSync(join(target, 'deep', 'b.bin')).size, 70_000)
  t.is(statSync(join(target, 'deep', 'b.bin')).mode & 0o7111, 0, 'neither set-uid nor executable')
})

test('rejects paths outside the target folder', async (t) => {
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
      await unpackFails(t, tarGz([valid, { path, content: 'x' }])),
      /a path outside the target folder/,
      path,
    )
  }
})

test('rejects links, devices and pipes', async (t) => {
  for (const [type, kind] of [
    ['1', 'Link'],
    ['2', 'SymbolicLink'],
    ['3', 'CharacterDevice'],
    ['4', 'BlockDevice'],
    ['6', 'FIFO'],
  ] as const) {
    const targets = kind.includes('Link') ? ['a.bin', '/etc/passwd', '../../evil'] : ['']
    for (const link of targets) {
      const message = await unpackFails(t, tarGz([valid, { path: 'set/b.bin', type, link }]))
      t.true(message.includes(`not a regular file (${kind})`), message)
    }
  }
  t.regex(
    await unpackFails(t, tarGz([{ path: 'set/b.bin', type: 'Z', content: 'x' }])),
    /unknown type/,
  )
  // The second entry would be written through the link.
  const throughLink = [
    { path: 'set/dir', type: '2', link: '/tmp' },
    { path: 'set/dir/evil', content: 'x' },
  ]
  t.regex(await unpackFails(t, tarGz(throughLink)), /not a regular file/)
})

test('rejects duplicates, also under case folding and Unicode normalization', async (t) => {
  for (const path of ['set/a.bin', 'set//a.bin', './set/./a.bin', 'set/A.BIN']) {
    t.regex(await unpackFails(t, tarGz([valid, { path, content: 'b' }])), /twice/, path)
  }
  const accents = ['set/\u00e9', 'set/e\u0301'].map((path) => ({ path, content: 'x' }))
  t.regex(await unpackFails(t, tarGz(accents)), /twice/)
  const fileAndFolder = [valid, { path: 'set/a.bin/b', content: 'x' }]
  t.regex(await unpackFails(t, tarGz(fileAndFolder)), /a file and a folder with the same name/)
})

test('rejects a decompression bomb before it fills the disk', async (t) => {
  const zeros = Buffer.alloc(20 << 20)
  const bomb = tarGz([{ path: 'set/zeros', content: zeros }], 9)
  t.true(bomb.length < 100_000)
  t.regex(await unpackFails(t, bomb), /too large/)
  t.regex(await unpackFails(t, bomb, { ...LIMITS, bytes: 1 << 30 }), /more than 100 times its size/)
  const many = Array.from({ length: 20 }, (_, index) => ({
    path: `set/${index}`,
    content: zeros.subarray(0, 1 << 20),
  }))
  t.regex(await unpackFails(t, tarGz(many), { ...LIMITS, ratio: 1e9 }), /decompresses to more than/)
  const entries = Array.from({ length: 1100 }, (_, index) => ({ path: `set/${index}` }))
  t.regex(await unpackFails(t, tarGz(entries)), /more than 1000 entries/)
})

test('rejects wrong sizes, truncated archives and other files', async (t) => {
  const size = 2 ** 33 - 1
  t.regex(await unpackFails(t, tarGz([{ ...valid, size }])), /too large|Truncated/)
  await unpackFails(t, tarGz([{ ...valid, size: 100_000 }]))
  const complete = tarGz([valid, { path: 'set/b.bin', content: Buffer.alloc(5000, 1) }])
  const { length } = complete
  for (const end of [0, 1, 9, 20, length >> 1, length - 9, length - 1]) {
    await unpackFails(t, complete.subarray(0, end))
  }
  const plain = gunzipSync(complete)
  await unpackFails(t, gzipSync(plain.subarray(0, 700)))
  await unpackFails(t, gzipSync(plain.subarray(0, 2000)))
  await unpackFails(t, Buffer.from('<!doctype html><h1>Log in</h1>'))
  await unpackFails(t, gzipSync('no tar archive, only a text'.repeat(100)))
  t.regex(await unpackFails(t, tarGz([{ ...valid, path: 'set/\x01' }])), /not a valid file name/)
  t.regex(
    await unpackFails(t, tarGz([{ ...valid, path: `set/${'d/'.repeat(40)}x` }])),
    /not a valid file name/,
  )
})

/** Returns a deterministic random number generator. */
function randomIntegers(seed: number) {
  let state = seed
  return (below: number) => {
    state = (state * 48_271) % 2_147_483_647
    return state % below
  }
}

/** Archive with every kind of entry that tar programs write, including pax and GNU long names. */
const TAR = gunzipSync(
  tarGz([
    { path: 'set/', type: '5' },
    valid,
    { path: 'PaxHeader', type: 'x', content: '25 path=set/named by pax\n' },
    { path: 'set/short', content: 'p'.repeat(700) },
    { path: '././@LongLink', type: 'L', content: `set/${'long/'.repeat(8)}name\0` },
    { path: 'set/cut', content: 'l'.repeat(300) },
    { path: 'global', type: 'g', content: '16 comment=none\n' },
    { path: 'set/b.bin', content: 'b'.repeat(600) },
  ]),
)

/** Strings that an attacker would insert. */
const TOKENS = ['../', '/', '..', '\\', '\0', 'C:', 'set/a.bin', '25 path=../../../../../evil\n']
const TYPES = '0123456789xgLKDSVNMX\0'

/** Offset and length of header fields: name, size, type, link name, prefix. */
const FIELDS = [
  [0, 100],
  [124, 12],
  [156, 1],
  [157, 100],
  [345, 155],
] as const

/** Returns the archive with random changes. */
function mutateArchive(random: (below: number) => number): Buffer {
  let tar = Buffer.from(TAR)
  const blocks = () => tar.length / 512
  const block = () => 512 * random(blocks())
  for (let change = 0; change <= random(4); change++) {
    switch (random(6)) {
      case 0:
        tar[random(tar.length)] = random(256)
        break
      case 1: {
        const [start, length] = FIELDS[random(FIELDS.length)] as (typeof FIELDS)[number]
        tar.write(TOKENS[random(TOKENS.length)] as string, block() + start + random(length))
        break
      }
      case 2:
        tar.write(TYPES[random(TYPES.length)] as string, block() + 156)
        break
      case 3: // size field
        tar.write(random(2 ** 30).toString(8), block() + 124)
        break
      case 4: {
        const [from, to] = [block(), block()]
        tar = Buffer.concat([
          tar.subarray(0, to),
          tar.subarray(from, from + 1536),
          tar.subarray(to),
        ])
        break
      }
      default: {
        const [from, count] = [block(), 512 * (1 + random(3))]
        if (tar.length > 4096)
          tar = Buffer.concat([tar.subarray(0, from), tar.subarray(from + count)])
      }
    }
  }
  return updateChecksums(tar)
}

test('mutated archives create only regular files inside the target', async (t) => {
  const { file, target } = prepare(t, gzipSync(TAR))
  await unpack(file, 'set', target, LIMITS)
  const long = join(target, 'long/'.repeat(8), 'name')
  t.deepEqual([readFileSync(join(target, 'named by pax')).length, statSync(long).size], [700, 300])

  const random = randomIntegers(1)
  let unpacked = 0
  for (let round = 0; round < 300; round++) {
    const packed = gzipSync(mutateArchive(random), { level: 1 })
    if (round % 10 === 0) packed[random(packed.length)] = random(256)
    const { parent, file, target } = prepare(t, packed)
    try {
      await unpack(file, 'set', target, LIMITS)
      unpacked++
    } catch (error) {
      if (!(error instanceof ResidualError)) throw error
      t.true(['E_DATA_FORMAT', 'E_WRITE'].includes(error.code), `${round}: ${error.message}`)
    }
    t.deepEqual(readdirSync(parent).sort(), ['new', 'set.tar.gz'], `round ${round}`)
    t.deepEqual(readdirSync(join(parent, 'new')), ['set'], `round ${round}`)
    let bytes = 0
    for (const name of readdirSync(target, { recursive: true, encoding: 'utf8' })) {
      const found = lstatSync(join(target, name))
      t.true(found.isFile() || found.isDirectory(), `round ${round}: ${name}`)
      if (found.isFile()) bytes += found.size
    }
    t.true(bytes <= LIMITS.bytes, `round ${round}: ${bytes} bytes`)
  }
  // Otherwise all archives would be valid, or all would be rejected by their first header.
  t.true(unpacked > 20 && unpacked < 280, `${unpacked} of 300 were unpacked`)
})

test('an aborted extraction creates no file', async (t) => {
  const { file, target } = prepare(t, tarGz([valid]))
  const unpacking = unpack(file, 'set', target, LIMITS, AbortSignal.abort())
  await t.throwsAsync(unpacking, { instanceOf: AbortError })
  t.false(existsSync(join(target, 'a.bin')))
})
