import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { AbortError, ResidualError } from 'residual'
import { unpackWheel } from '#dist/cuda/unpack-wheel.js'
import { tempFolder } from '../tiny.js'
import { fakeWheels, INSTALLED, TORCH_CPU, type ZipEntry, zip } from './wheel.js'

const LIBRARY = { name: 'torch/lib/libtorch_cpu.so', content: 'library' }

/** Unpacks an archive into an empty folder. */
async function unpack(t: ExecutionContext, archive: Buffer, maxBytes = 1e6, signal?: AbortSignal) {
  const root = tempFolder(t)
  const [wheel, folder] = [join(root, 'x.whl'), join(root, 'target')]
  writeFileSync(wheel, archive)
  mkdirSync(folder)
  return { folder, files: await unpackWheel(wheel, folder, { maxBytes, signal }) }
}

async function rejects(t: ExecutionContext, archive: Buffer, message: RegExp, maxBytes?: number) {
  const error = await t.throwsAsync(unpack(t, archive, maxBytes), { instanceOf: ResidualError })
  t.regex(error?.message ?? '', message)
  t.is((error as ResidualError).code, 'E_DOWNLOAD')
}

test('unpacks libraries and licenses only, with their checksums', async (t) => {
  const archives = fakeWheels().map(({ content }) => content)
  const unpacked = await Promise.all(archives.map((archive) => unpack(t, archive)))
  const paths = unpacked.flatMap(({ files }) => files.map(({ path }) => path))
  t.deepEqual(paths.sort(), INSTALLED)
  const library = join(unpacked[0]?.folder ?? '', 'torch/lib/libtorch_cpu.so')
  t.true(readFileSync(library).equals(TORCH_CPU))
  t.is(statSync(library).mode & 0o7777 & ~process.umask(), 0o644 & ~process.umask())
})

test('rejects entries outside the folder, links, devices and duplicates', async (t) => {
  const attacks: [ZipEntry, RegExp][] = [
    [{ name: '../../evil.so' }, /invalid relative path/],
    [{ name: 'torch/lib/../../../evil.so' }, /invalid relative path/],
    [{ name: '/tmp/evil.so' }, /absolute path/],
    [{ name: 'C:/evil.so' }, /absolute path/],
    [{ name: 'torch\\lib\\evil.so' }, /invalid characters/],
    [{ name: 'torch/lib/link.so', content: '/etc/passwd', mode: 0o120777 }, /not a regular file/],
    [{ name: 'torch/lib/null.so', mode: 0o020666 }, /not a regular file/],
    [{ name: 'README', content: '/etc', mode: 0o120777 }, /not a regular file/],
    [{ name: 'torch/LIB/libtorch_cpu.so' }, /twice/],
    [LIBRARY, /twice/],
  ]
  for (const [entry, message] of attacks) await rejects(t, zip([LIBRARY, entry]), message)
})

test('writes nothing outside the folder and nothing before all entries are checked', async (t) => {
  const root = tempFolder(t)
  const folder = join(root, 'a', 'target')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(root, 'x.whl'), zip([LIBRARY, { name: '../evil.so', content: 'evil' }]))
  await t.throwsAsync(unpackWheel(join(root, 'x.whl'), folder, { maxBytes: 1e6 }))
  t.deepEqual(readdirSync(folder), [])
  t.false(existsSync(join(root, 'a', 'evil.so')))
})

test('rejects a wheel that unpacks to more than its limit', async (t) => {
  const bomb = zip([{ name: 'torch/lib/bomb.so', content: Buffer.alloc(5_000_000) }])
  t.true(bomb.length < 10_000)
  await rejects(t, bomb, /more than 1000000 bytes of libraries/)
  // An entry that is larger than its header says.
  const liar = { name: 'torch/lib/bomb.so', content: Buffer.alloc(5_000_000), size: 1000 }
  await rejects(t, zip([liar]), /too many bytes/)
})

test('rejects damaged and truncated wheels', async (t) => {
  const [torch] = fakeWheels()
  const content = torch?.content as Buffer
  await rejects(
    t,
    zip([{ ...LIBRARY, crc: 1 }]),
    /checksum of torch\/lib\/libtorch_cpu\.so differs/,
  )
  await rejects(t, content.subarray(0, content.length / 2), /cannot be unpacked/)
  await rejects(t, Buffer.from('<html>'), /cannot be unpacked/)
  await rejects(t, Buffer.alloc(0), /cannot be unpacked/)
})

test('an aborted signal ends unpacking', async (t) => {
  const archive = fakeWheels()[0]?.content as Buffer
  const error = await t.throwsAsync(unpack(t, archive, 1e6, AbortSignal.abort()))
  t.true(error instanceof AbortError)
})
