import { existsSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import test from 'ava'
import { unpack } from '../../scripts/setup/download/unzip.mjs'

/**
 * Creates a zip archive of uncompressed entries.
 *
 * @param {Record<string, { text: string, mode?: number }>} entries
 */
function zip(entries) {
  const locals = []
  const centrals = []
  let offset = 0
  for (const [name, { text, mode = 0o644 }] of Object.entries(entries)) {
    const sizes = Buffer.alloc(16)
    sizes.writeUInt32LE(crc32(text), 0)
    sizes.writeUInt32LE(text.length, 4)
    sizes.writeUInt32LE(text.length, 8)
    sizes.writeUInt16LE(name.length, 12)
    const local = Buffer.alloc(14)
    local.writeUInt32LE(0x04034b50, 0)
    const central = Buffer.alloc(16)
    central.writeUInt32LE(0x02014b50, 0)
    const attributes = Buffer.alloc(14)
    attributes.writeUInt32LE(mode * 0x10000, 6)
    attributes.writeUInt32LE(offset, 10)
    const entry = Buffer.concat([local, sizes, Buffer.from(name + text)])
    locals.push(entry)
    centrals.push(central, sizes, attributes, Buffer.from(name))
    offset += entry.length
  }
  const directory = Buffer.concat(centrals)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(locals.length, 8)
  end.writeUInt16LE(locals.length, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...locals, directory, end])
}

/**
 * Writes an archive to a temporary folder.
 *
 * @param {Buffer} bytes
 */
function writeArchive(bytes) {
  const folder = mkdtempSync(join(tmpdir(), 'residual-archive-'))
  const archive = join(folder, 'a.zip')
  writeFileSync(archive, bytes)
  return { archive, folder: join(folder, 'out') }
}

test('unpacks the selected files with mode and hash', async (t) => {
  const { archive, folder } = writeArchive(
    zip({ 'a/lib.so': { text: 'library', mode: 0o755 }, 'a/rest.py': { text: 'rest' } }),
  )
  const files = await unpack(archive, folder, (name) =>
    /\.so$/.test(name) ? `b/${name}` : undefined,
  )
  t.deepEqual(files, [
    {
      path: 'b/a/lib.so',
      bytes: 7,
      sha256: 'b718f1354f7247312eca086d9a024afe5fa717ddea5adeddd6f12bcf945b2e8c',
    },
  ])
  t.is(readFileSync(join(folder, 'b/a/lib.so'), 'utf8'), 'library')
  t.is(statSync(join(folder, 'b/a/lib.so')).mode & 0o777, 0o755)
  t.false(existsSync(join(folder, 'a')))
})

test('rejects a damaged entry', async (t) => {
  const bytes = zip({ 'lib.so': { text: 'library' } })
  bytes.write('X', bytes.indexOf('library'))
  const { archive, folder } = writeArchive(bytes)
  await t.throwsAsync(
    unpack(archive, folder, (name) => name),
    { message: /lib\.so.*damaged/ },
  )
})

test('rejects a truncated archive', async (t) => {
  const { archive, folder } = writeArchive(zip({ 'lib.so': { text: 'library' } }).subarray(0, 60))
  await t.throwsAsync(unpack(archive, folder, (name) => name))
})

test('rejects an entry outside the folder', async (t) => {
  const { archive, folder } = writeArchive(zip({ '../outside': { text: 'escaped' } }))
  await t.throwsAsync(
    unpack(archive, folder, (name) => name),
    { message: /relative path/ },
  )
  t.false(existsSync(join(folder, '..', 'outside')))
})
