import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { AbortError, ResidualError } from 'residual'
import {
  type DownloadOptions,
  type DownloadProgress,
  fetchFile,
  type RemoteFile,
} from '#dist/download/fetch-file.js'
import { fileUrls } from '#dist/download/mirror.js'
import { tempFolder } from '../tiny.js'
import { fileHandler, proxy, rangeStart, type Server, serve, stallingHandler } from './server.js'

const CONTENT = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7 + (at >> 8)) & 255))
const SHA256 = createHash('sha256').update(CONTENT).digest('hex')
const QUICK = { connectTimeout: 300, idleTimeout: 200, attempts: 3, backoff: 1 }
/** For servers that respond: long timeouts, because the machine may be busy. */
const GENEROUS = { ...QUICK, connectTimeout: 10_000, idleTimeout: 10_000 }

function remote(t: ExecutionContext, ...servers: string[]): RemoteFile {
  return {
    name: 'cifar10',
    file: 'data.bin',
    target: join(tempFolder(t), 'sub', 'data.bin'),
    urls: servers.map((url) => `${url}data.bin`),
    bytes: CONTENT.length,
    sha256: SHA256,
  }
}

/**
 * Returns options that close the connection of the first `times` responses after their first bytes.
 */
function interrupting({ requests, closeConnections }: Server, times = 1): DownloadOptions {
  let numInterrupted = 0
  return {
    onDownload() {
      if (requests.length > times || numInterrupted === requests.length) return
      numInterrupted = requests.length
      closeConnections()
    },
  }
}

async function downloadFails(
  t: ExecutionContext,
  file: RemoteFile,
  options?: DownloadOptions,
  policy = GENEROUS,
) {
  const error = await t.throwsAsync(fetchFile(file, options, policy), {
    instanceOf: ResidualError,
  })
  t.false(existsSync(file.target))
  return error as ResidualError
}

function assertComplete(t: ExecutionContext, { target }: RemoteFile): void {
  t.true(readFileSync(target).equals(CONTENT))
  t.deepEqual(readdirSync(dirname(target)), ['data.bin'], 'no other file remains')
}

test('downloads and verifies a file, and reports progress', async (t) => {
  const { url, requests } = await serve(t, fileHandler(CONTENT))
  const file = remote(t, url)
  const reported: DownloadProgress[] = []
  await fetchFile(file, { onDownload: (progress) => reported.push(progress) }, GENEROUS)
  assertComplete(t, file)
  t.deepEqual(reported.at(-1), {
    name: 'cifar10',
    file: 'data.bin',
    url: `${url}data.bin`,
    bytes: CONTENT.length,
    total: CONTENT.length,
  })
  // A second call verifies the existing file and sends no request.
  await fetchFile(file, {}, GENEROUS)
  t.is(requests.length, 1)
})

test('resumes a download after the connection was closed', async (t) => {
  const server = await serve(t, (request, response) =>
    (server.requests.length < 3 ? stallingHandler(CONTENT, 100_000) : fileHandler(CONTENT))(
      request,
      response,
    ),
  )
  const { url, requests } = server
  const file = remote(t, url)
  await fetchFile(file, interrupting(server, 2), GENEROUS)
  assertComplete(t, file)
  t.deepEqual(
    requests.map(({ headers }) => [headers.range !== undefined, headers['if-range']]),
    [
      [false, undefined],
      [true, '"one"'],
      [true, '"one"'],
    ],
  )
})

test('resumes the download of an earlier call', async (t) => {
  let isComplete = false
  const server = await serve(t, (request, response) =>
    (isComplete ? fileHandler(CONTENT) : stallingHandler(CONTENT, 100_000))(request, response),
  )
  const { url, requests } = server
  const file = remote(t, url)
  const error = await downloadFails(t, file, interrupting(server), { ...GENEROUS, attempts: 1 })
  t.is(error.code, 'E_DOWNLOAD')
  t.regex(
    error.message,
    /the connection broke after \d+ of 300000 bytes|other side closed|terminated|aborted/,
  )
  t.true(existsSync(`${file.target}.part`))
  isComplete = true
  await fetchFile(file, {}, GENEROUS)
  assertComplete(t, file)
  t.regex(requests[1]?.headers.range ?? '', /^bytes=[1-9]\d*-$/)
})

test('starts over if the server does not support ranges', async (t) => {
  const server = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-length': CONTENT.length })
    if (server.requests.length === 1) response.write(CONTENT.subarray(0, 50_000))
    else response.end(CONTENT)
  })
  const file = remote(t, server.url)
  await fetchFile(file, interrupting(server), GENEROUS)
  t.regex(server.requests[1]?.headers.range ?? '', /^bytes=/)
  assertComplete(t, file)
})

test('starts over if the file changed on the server', async (t) => {
  const older = Buffer.alloc(CONTENT.length, 'older ')
  // A server that honors If-Range sends the new file; a server that ignores it sends a range.
  for (const honorsIfRange of [true, false]) {
    const server = await serve(t, (request, response) => {
      if (server.requests.length === 1)
        return stallingHandler(older, 100_000, '"old"')(request, response)
      if (!honorsIfRange) delete request.headers['if-range']
      fileHandler(CONTENT, '"new"')(request, response)
    })
    const file = remote(t, server.url)
    await fetchFile(file, interrupting(server), GENEROUS)
    assertComplete(t, file)
    t.is(server.requests.length, honorsIfRange ? 2 : 3)
  }
})

test('detects parts of different files by the checksum and starts over', async (t) => {
  const older = Buffer.alloc(CONTENT.length, 'older ')
  const server = await serve(t, (request, response) => {
    const from = rangeStart(request, '')
    response.writeHead(from > 0 ? 206 : 200, {
      'content-length': CONTENT.length - from,
      ...(from > 0 && { 'content-range': `bytes ${from}-299999/300000` }),
    })
    if (server.requests.length === 1) response.write(older.subarray(0, 100_000))
    else response.end(CONTENT.subarray(from))
  })
  const file = remote(t, server.url)
  await fetchFile(file, interrupting(server), GENEROUS)
  assertComplete(t, file)
  t.is(server.requests.length, 3)
})

test('gives up on a stalled server after the idle timeout', async (t) => {
  const silent = await serve(t, () => {})
  const stalling = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-length': CONTENT.length })
    response.write(CONTENT.subarray(0, 1000))
  })
  const file = remote(t, silent.url, stalling.url)
  const error = await downloadFails(t, file, {}, { ...QUICK, attempts: 1 })
  t.is(error.message.match(/no data for 0\.2 s/g)?.length, 2, error.message)
})

test('rejects a file of another size than published', async (t) => {
  const more = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-length': CONTENT.length + 10 }).end(CONTENT)
  })
  const less = await serve(t, (_, response) => {
    response.socket?.end(
      `HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n${CONTENT.toString('latin1')}`,
      'latin1',
    )
  })
  const endless = await serve(t, (_, response) => {
    response.writeHead(200)
    response.write(CONTENT)
    const timer = setInterval(() => response.write(CONTENT), 5)
    response.on('close', () => clearInterval(timer))
  })
  const short = await serve(t, (_, response) => {
    response.writeHead(200).end(CONTENT.subarray(0, 5000))
  })
  const file = remote(t, more.url, less.url, endless.url, short.url)
  const error = await downloadFails(t, file)
  for (const expected of [
    /the file has 300010 bytes instead of 300000/,
    /the file has 1000 bytes/,
    /the server sent more than 300000 bytes/,
    /the connection broke after 5000 of 300000 bytes/,
  ]) {
    t.regex(error.message, expected)
  }
})

test('removes a file with a wrong checksum and reports both checksums', async (t) => {
  const corrupt = Buffer.from(CONTENT)
  corrupt[12_345] = (corrupt[12_345] ?? 0) ^ 1
  const { url, requests } = await serve(t, fileHandler(corrupt))
  const file = remote(t, url)
  const error = await downloadFails(t, file)
  t.true(error.message.includes(SHA256))
  t.true(error.message.includes(createHash('sha256').update(corrupt).digest('hex')))
  t.false(existsSync(`${file.target}.part`))
  t.is(requests.length, 1, 'a retry would receive the same bytes')
})

test('rejects a web page in place of the file', async (t) => {
  const { url } = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<h1>Log in</h1>')
  })
  t.regex((await downloadFails(t, remote(t, url))).message, /a web page/)
})

test('follows redirects, and rejects loops, long chains and other protocols', async (t) => {
  const { url } = await serve(t, (request, response) => {
    const path = request.url ?? ''
    const number = Number(path.slice(1))
    if (path === '/data.bin') fileHandler(CONTENT)(request, response)
    else if (path === '/moved/data.bin') response.writeHead(302, { location: '../data.bin' }).end()
    else if (path === '/loop/data.bin')
      response.writeHead(301, { location: '/loop/data.bin' }).end()
    else if (path === '/far/data.bin') response.writeHead(307, { location: '/1' }).end()
    else if (number > 0) response.writeHead(307, { location: `/${number + 1}` }).end()
    else if (path === '/file/data.bin') {
      response.writeHead(302, { location: 'file:///etc/passwd' }).end()
    } else if (path === '/ftp/data.bin') {
      response.writeHead(302, { location: 'ftp://127.0.0.1/data.bin' }).end()
    } else response.writeHead(302, { location: 'http://[' }).end()
  })
  const file = remote(t, `${url}moved/`)
  await fetchFile(file, {}, GENEROUS)
  assertComplete(t, file)
  const bad = ['loop', 'far', 'file', 'ftp', 'nowhere'].map((path) => `${url}${path}/`)
  const { message } = await downloadFails(t, remote(t, ...bad))
  for (const expected of [
    /redirect loop/,
    /more than 10 redirects/,
    /from http: to file: .*, which is not allowed/,
    /from http: to ftp: .*, which is not allowed/,
    /"http:\/\/\[", which is not a URL/,
  ]) {
    t.regex(message, expected)
  }
})

test('tries the URLs in order, and retries server errors', async (t) => {
  const gone = await serve(t, (_, response) => response.writeHead(404).end())
  const forbidden = await serve(t, (_, response) => response.writeHead(403).end('no'))
  const broken = await serve(t, (_, response) => response.writeHead(500).end())
  const works = await serve(t, fileHandler(CONTENT))
  const file = remote(t, gone.url, forbidden.url, broken.url, works.url)
  await fetchFile(file, {}, GENEROUS)
  assertComplete(t, file)
  t.deepEqual(
    [gone, forbidden, broken, works].map(({ requests }) => requests.length),
    [1, 1, QUICK.attempts, 1],
  )
  const { message } = await downloadFails(t, remote(t, gone.url, forbidden.url, broken.url))
  t.regex(message, /answered 404.*answered 403.*answered 500/)
})

test('without a network, the hint names URL and target, and a copied file is used', async (t) => {
  const { url, port } = await serve(t, () => {})
  const file = remote(t, url.replace(String(port), '1'))
  const error = await downloadFails(t, file)
  t.is(error.code, 'E_DOWNLOAD')
  t.true(error.hint?.includes(`copy ${file.urls[0]} to ${file.target}`))
  writeFileSync(file.target, CONTENT)
  await fetchFile(file, {}, GENEROUS)
  assertComplete(t, file)
})

test('removes and reports an existing file with a wrong checksum', async (t) => {
  const { url } = await serve(t, (_, response) => response.writeHead(404).end())
  const file = remote(t, url)
  mkdirSync(dirname(file.target), { recursive: true })
  writeFileSync(file.target, 'something else')
  const error = await downloadFails(t, file)
  t.regex(error.message, /the existing file had SHA-256 [0-9a-f]{64} instead of [0-9a-f]{64}/)
})

test('an aborted download keeps the received bytes', async (t) => {
  const { url } = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-length': CONTENT.length })
    response.write(CONTENT.subarray(0, 1000))
  })
  const file = remote(t, url)
  const controller = new AbortController()
  const reason = new Error('aborted by the test')
  const options = { signal: controller.signal, onDownload: () => controller.abort(reason) }
  const error = await downloadFails(t, file, options, { ...QUICK, idleTimeout: 60_000 })
  t.true(error instanceof AbortError)
  t.is(error.cause, reason)
  t.true(existsSync(`${file.target}.part`))
  t.true((await downloadFails(t, file, { signal: AbortSignal.abort() })) instanceof AbortError)
})

test('a folder that is not writable gives E_WRITE with a hint', async (t) => {
  const { url, requests } = await serve(t, fileHandler(CONTENT))
  const file = remote(t, url)
  writeFileSync(dirname(file.target), 'a file instead of a folder')
  const error = await downloadFails(t, file)
  t.is(error.code, 'E_WRITE')
  t.regex(error.hint ?? '', /RESIDUAL_CACHE/)
  t.is(requests.length, 0)
})

test('concurrent calls download a file once', async (t) => {
  const { url, requests } = await serve(t, fileHandler(CONTENT))
  const file = remote(t, url)
  await Promise.all([fetchFile(file, {}, GENEROUS), fetchFile(file, {}, GENEROUS)])
  assertComplete(t, file)
  t.is(requests.length, 1)
})

test.serial('uses http_proxy and honors no_proxy', async (t) => {
  const { url, requests } = await serve(t, fileHandler(CONTENT))
  const proxyServer = await proxy(t)
  t.teardown(() => {
    delete process.env.http_proxy
    delete process.env.no_proxy
  })
  process.env.http_proxy = proxyServer.url
  const file = remote(t, url)
  await fetchFile(file, {}, GENEROUS)
  assertComplete(t, file)
  t.deepEqual(proxyServer.proxied, [`GET ${url}data.bin`])
  process.env.no_proxy = '127.0.0.1'
  await fetchFile(remote(t, url), {}, GENEROUS)
  t.is(proxyServer.proxied.length, 1)
  t.is(requests.length, 2)
})

test('accepts a published checksum that contains only the first digits', async (t) => {
  const { url } = await serve(t, fileHandler(CONTENT))
  const weights = {
    ...remote(t, url),
    bytes: undefined,
    maxBytes: 400_000,
    sha256: SHA256.slice(0, 8),
  }
  await fetchFile(weights, {}, GENEROUS)
  assertComplete(t, weights)
  const small = { ...remote(t, url), bytes: undefined, maxBytes: 1000, sha256: SHA256.slice(0, 8) }
  t.regex((await downloadFails(t, small)).message, /more than the limit of 1000/)
})

test.serial('no error, progress or file contains the password of a URL', async (t) => {
  const withPassword = ({ url }: Server) => url.replace('//', '//user:secret@')
  const missing = await serve(t, (_, response) => response.writeHead(404).end())
  const error = await downloadFails(t, remote(t, withPassword(missing)))
  t.regex(error.message, /http:\/\/127\.0\.0\.1:\d+\/data\.bin: the server answered 404/)
  const loop = await serve(t, (_, response) => {
    response.writeHead(302, { location: withPassword(loop) }).end()
  })
  const looped = await downloadFails(t, remote(t, loop.url))
  t.regex(looped.message, /redirect loop/)
  process.env.RESIDUAL_OFFLINE = '1'
  const offline = await downloadFails(t, remote(t, withPassword(missing)))
  process.env.RESIDUAL_OFFLINE = ''
  process.env.RESIDUAL_MIRROR = 'ftp://user:secret@mirror'
  const mirror = t.throws(() => fileUrls('weights', 'a', []), { instanceOf: ResidualError })
  delete process.env.RESIDUAL_MIRROR

  const stalled = await serve(t, stallingHandler(CONTENT, 1000))
  const file = remote(t, withPassword(stalled))
  const progress: DownloadProgress[] = []
  const onDownload = (event: DownloadProgress) => progress.push(event)
  const broken = await downloadFails(t, file, { onDownload }, QUICK)
  t.is(progress[0]?.url, `${stalled.url}data.bin`)
  const origin = readFileSync(`${file.target}.part.json`, 'utf8')
  for (const { message, hint } of [error, looped, offline, mirror, broken]) {
    t.notRegex(`${message} ${hint}`, /secret/)
  }
  t.notRegex(origin, /secret/)
})

test('reports every retry, and gives up a host that was never reached', async (t) => {
  const retries: unknown[] = []
  const options = { onDownload: ({ retry }: DownloadProgress) => retry && retries.push(retry) }
  const file = remote(t, 'http://127.0.0.1:9/')
  const error = await downloadFails(t, file, options, { ...GENEROUS, attempts: 10 })
  t.regex(error.message, /connect ECONNREFUSED/)
  t.is(retries.length, 2)
  t.like(retries[0], { reason: 'connect ECONNREFUSED 127.0.0.1:9', delay: 1 })
  const missing = await serve(t, (_, response) => response.writeHead(404).end())
  const refused = await downloadFails(t, remote(t, missing.url), options)
  t.is(retries.length, 2)
  t.notRegex(refused.hint, /resume/, 'a repetition does not help')
})
