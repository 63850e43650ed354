import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { download } from '../../scripts/setup/download/download.mjs'

const CONTENT = Buffer.alloc(300_000, 'residual ')
const STALL_AFTER = 100_000

/**
 * Serves CONTENT. The first `breaks` responses stall after STALL_AFTER bytes. `breakConnection`
 * closes their connections; passed as `onBytes`, it does so when the first bytes are on disk.
 *
 * @param {import('ava').ExecutionContext} t
 * @param {{ breaks?: number, etag?: () => string }} [options]
 */
async function serve(t, { breaks = 0, etag = () => '"one"' } = {}) {
  /** @type {(string | undefined)[]} */
  const ranges = []
  const server = createServer((request, response) => {
    const { range } = request.headers
    ranges.push(range)
    const isSameFile = request.headers['if-range'] === etag()
    const from = isSameFile ? Number(/bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0) : 0
    response.writeHead(from > 0 ? 206 : 200, {
      etag: etag(),
      'content-length': CONTENT.length - from,
    })
    if (ranges.length <= breaks) response.write(CONTENT.subarray(from, from + STALL_AFTER))
    else response.end(CONTENT.subarray(from))
  }).listen(0, '127.0.0.1')
  // The default of 5 s would close the connections of clients with slow disks.
  server.keepAliveTimeout = 0
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  let numBroken = 0
  const breakConnection = () => {
    if (ranges.length > breaks || ranges.length === numBroken) return
    numBroken = ranges.length
    server.closeAllConnections()
  }
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  return { url: `http://127.0.0.1:${port}/libtorch.zip`, ranges, breakConnection }
}

function newFile() {
  return join(mkdtempSync(join(tmpdir(), 'residual-download-')), 'libtorch.zip')
}

test('resumes a download after the connection was closed', async (t) => {
  const { url, ranges, breakConnection } = await serve(t, { breaks: 2 })
  const target = newFile()
  await download(url, target, { backoff: 1, onBytes: breakConnection })
  t.deepEqual(readFileSync(target), CONTENT)
  t.is(ranges.length, 3)
  t.regex(ranges[1] ?? '', /^bytes=\d+-$/)
  t.false(existsSync(`${target}.part`))
})

test('a partial download never has the name of the complete file', async (t) => {
  const { url, breakConnection } = await serve(t, { breaks: 1 })
  const target = newFile()
  const broken = download(url, target, { attempts: 1, onBytes: breakConnection })
  await t.throwsAsync(broken, { code: 'E_DOWNLOAD' })
  t.false(existsSync(target))
  t.true(existsSync(`${target}.part`))

  await download(url, target, { attempts: 1 })
  t.deepEqual(readFileSync(target), CONTENT)
})

test('starts over if the file changed on the server', async (t) => {
  let version = 1
  const { url, breakConnection } = await serve(t, { breaks: 1, etag: () => `"${version}"` })
  const target = newFile()
  await t.throwsAsync(download(url, target, { attempts: 1, onBytes: breakConnection }))
  writeFileSync(`${target}.part`, Buffer.alloc(1000, 'older '))
  version = 2
  await download(url, target, { attempts: 1 })
  t.deepEqual(readFileSync(target), CONTENT)
})

test('reports a client error with its URL and without a retry', async (t) => {
  const server = createServer((_, response) => response.writeHead(404).end()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  await t.throwsAsync(download(`http://127.0.0.1:${port}/gone.zip`, newFile()), {
    code: 'E_DOWNLOAD',
    message: /gone\.zip: the server answered 404/,
  })
})
