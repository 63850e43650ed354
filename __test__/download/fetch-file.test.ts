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
import { folder } from '../tiny.js'
import { good, proxy, type Server, serve, start, stopping } from './server.js'

const CONTENT = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7 + (at >> 8)) & 255))
const SHA256 = createHash('sha256').update(CONTENT).digest('hex')
const QUICK = { connect: 300, stall: 200, tries: 3, backoff: 1 }
/** For servers that answer, on a machine that is busy. */
const PATIENT = { ...QUICK, connect: 10_000, stall: 10_000 }

function remote(t: ExecutionContext, ...servers: string[]): RemoteFile {
  return {
    name: 'cifar10',
    file: 'data.bin',
    target: join(folder(t), 'sub', 'data.bin'),
    urls: servers.map((url) => `${url}data.bin`),
    bytes: CONTENT.length,
    sha256: SHA256,
  }
}

/** Cuts the first `times` answers off, once some of each has arrived. */
function cutting({ requests, cut }: Server, times = 1): DownloadOptions {
  let seen = 0
  return {
    onDownload() {
      if (requests.length > times || seen === requests.length) return
      seen = requests.length
      cut()
    },
  }
}

async function refused(
  t: ExecutionContext,
  file: RemoteFile,
  options?: DownloadOptions,
  patience = PATIENT,
) {
  const error = await t.throwsAsync(fetchFile(file, options, patience), {
    instanceOf: ResidualError,
  })
  t.false(existsSync(file.target))
  return error as ResidualError
}

function arrived(t: ExecutionContext, { target }: RemoteFile): void {
  t.true(readFileSync(target).equals(CONTENT))
  t.deepEqual(readdirSync(dirname(target)), ['data.bin'], 'nothing is left beside it')
}

test('a file is fetched, checked and told of as it comes', async (t) => {
  const { url, requests } = await serve(t, good(CONTENT))
  const file = remote(t, url)
  const told: DownloadProgress[] = []
  await fetchFile(file, { onDownload: (progress) => told.push(progress) }, PATIENT)
  arrived(t, file)
  t.deepEqual(told.at(-1), {
    name: 'cifar10',
    file: 'data.bin',
    url: `${url}data.bin`,
    bytes: CONTENT.length,
    total: CONTENT.length,
  })
  // What is there and right is used.
  await fetchFile(file, {}, PATIENT)
  t.is(requests.length, 1)
})

test('a download that breaks off goes on where it stopped', async (t) => {
  const server = await serve(t, (request, response) =>
    (server.requests.length < 3 ? stopping(CONTENT, 100_000) : good(CONTENT))(request, response),
  )
  const { url, requests } = server
  const file = remote(t, url)
  await fetchFile(file, cutting(server, 2), PATIENT)
  arrived(t, file)
  t.deepEqual(
    requests.map(({ headers }) => [headers.range !== undefined, headers['if-range']]),
    [
      [false, undefined],
      [true, '"one"'],
      [true, '"one"'],
    ],
  )
})

test('a later process goes on where an earlier one stopped', async (t) => {
  let whole = false
  const server = await serve(t, (request, response) =>
    (whole ? good(CONTENT) : stopping(CONTENT, 100_000))(request, response),
  )
  const { url, requests } = server
  const file = remote(t, url)
  const error = await refused(t, file, cutting(server), { ...PATIENT, tries: 1 })
  t.is(error.code, 'E_DOWNLOAD')
  t.regex(error.message, /broke off after \d+ of 300000 bytes|other side closed|terminated|aborted/)
  t.true(existsSync(`${file.target}.part`))
  whole = true
  await fetchFile(file, {}, PATIENT)
  arrived(t, file)
  t.regex(requests[1]?.headers.range ?? '', /^bytes=[1-9]\d*-$/)
})

test('a server that knows no ranges sends all of it again', async (t) => {
  const server = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-length': CONTENT.length })
    if (server.requests.length === 1) response.write(CONTENT.subarray(0, 50_000))
    else response.end(CONTENT)
  })
  const file = remote(t, server.url)
  await fetchFile(file, cutting(server), PATIENT)
  t.regex(server.requests[1]?.headers.range ?? '', /^bytes=/)
  arrived(t, file)
})

test('a file that changed on the way is fetched from its beginning', async (t) => {
  const older = Buffer.alloc(CONTENT.length, 'older ')
  for (const believes of [true, false]) {
    // One server sends the whole new file, the other one ignores If-Range and sends its rest.
    const server = await serve(t, (request, response) => {
      if (server.requests.length === 1) return stopping(older, 100_000, '"old"')(request, response)
      if (!believes) delete request.headers['if-range']
      good(CONTENT, '"new"')(request, response)
    })
    const file = remote(t, server.url)
    await fetchFile(file, cutting(server), PATIENT)
    arrived(t, file)
    t.is(server.requests.length, believes ? 2 : 3)
  }
})

test('two halves of different files without a tag are noticed and fetched anew', async (t) => {
  const older = Buffer.alloc(CONTENT.length, 'older ')
  const server = await serve(t, (request, response) => {
    const from = start(request, '')
    response.writeHead(from > 0 ? 206 : 200, {
      'content-length': CONTENT.length - from,
      ...(from > 0 && { 'content-range': `bytes ${from}-299999/300000` }),
    })
    if (server.requests.length === 1) response.write(older.subarray(0, 100_000))
    else response.end(CONTENT.subarray(from))
  })
  const file = remote(t, server.url)
  await fetchFile(file, cutting(server), PATIENT)
  arrived(t, file)
  t.is(server.requests.length, 3)
})

test('a server that stalls is given up after the time without a byte', async (t) => {
  const silent = await serve(t, () => {})
  const stalling = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-length': CONTENT.length })
    response.write(CONTENT.subarray(0, 1000))
  })
  const file = remote(t, silent.url, stalling.url)
  const error = await refused(t, file, {}, { ...QUICK, tries: 1 })
  t.is(error.message.match(/nothing came for 0\.2 s/g)?.length, 2, error.message)
})

test('a server that lies about the length is believed no byte', async (t) => {
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
  const error = await refused(t, file)
  for (const told of [
    /its file has 300010 bytes, the published one 300000/,
    /its file has 1000 bytes/,
    /sends more than the 300000 bytes/,
    /broke off after 5000 of 300000 bytes/,
  ]) {
    t.regex(error.message, told)
  }
})

test('wrong bytes are removed, and both checksums told', async (t) => {
  const corrupt = Buffer.from(CONTENT)
  corrupt[12_345] = (corrupt[12_345] ?? 0) ^ 1
  const { url, requests } = await serve(t, good(corrupt))
  const file = remote(t, url)
  const error = await refused(t, file)
  t.true(error.message.includes(SHA256))
  t.true(error.message.includes(createHash('sha256').update(corrupt).digest('hex')))
  t.false(existsSync(`${file.target}.part`))
  t.is(requests.length, 1, 'the same server would send the same bytes')
})

test('a web page is no file', async (t) => {
  const { url } = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<h1>Log in</h1>')
  })
  t.regex((await refused(t, remote(t, url))).message, /a web page/)
})

test('redirections are followed, but not in circles, without end, or out of HTTP', async (t) => {
  const { url } = await serve(t, (request, response) => {
    const path = request.url ?? ''
    const number = Number(path.slice(1))
    if (path === '/data.bin') good(CONTENT)(request, response)
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
  await fetchFile(file, {}, PATIENT)
  arrived(t, file)
  const bad = ['loop', 'far', 'file', 'ftp', 'nowhere'].map((path) => `${url}${path}/`)
  const { message } = await refused(t, remote(t, ...bad))
  for (const told of [
    /in a circle/,
    /again and again/,
    /from http: to file:, which is refused/,
    /from http: to ftp:, which is refused/,
    /"http:\/\/\[", which is no address/,
  ]) {
    t.regex(message, told)
  }
})

test('addresses are tried in their order, and a server’s trouble more than once', async (t) => {
  const gone = await serve(t, (_, response) => response.writeHead(404).end())
  const forbidden = await serve(t, (_, response) => response.writeHead(403).end('no'))
  const broken = await serve(t, (_, response) => response.writeHead(500).end())
  const works = await serve(t, good(CONTENT))
  const file = remote(t, gone.url, forbidden.url, broken.url, works.url)
  await fetchFile(file, {}, PATIENT)
  arrived(t, file)
  t.deepEqual(
    [gone, forbidden, broken, works].map(({ requests }) => requests.length),
    [1, 1, QUICK.tries, 1],
  )
  const { message } = await refused(t, remote(t, gone.url, forbidden.url, broken.url))
  t.regex(message, /answered 404.*answered 403.*answered 500/)
})

test('without a network it is said what to fetch and where to put it, and that then works', async (t) => {
  const { url, port } = await serve(t, () => {})
  const file = remote(t, url.replace(String(port), '1'))
  const error = await refused(t, file)
  t.is(error.code, 'E_DOWNLOAD')
  t.true(error.hint?.includes(`fetch ${file.urls[0]}`))
  t.true(error.hint?.includes(`put it there: ${file.target}`))
  writeFileSync(file.target, CONTENT)
  await fetchFile(file, {}, PATIENT)
  arrived(t, file)
})

test('a wrong file that was put by hand is removed and told of', async (t) => {
  const { url } = await serve(t, (_, response) => response.writeHead(404).end())
  const file = remote(t, url)
  mkdirSync(dirname(file.target), { recursive: true })
  writeFileSync(file.target, 'something else')
  const error = await refused(t, file)
  t.regex(error.message, /the file that lay there had SHA-256 [0-9a-f]{64}, not [0-9a-f]{64}/)
})

test('a signal ends it, and what has arrived is kept', async (t) => {
  const { url } = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-length': CONTENT.length })
    response.write(CONTENT.subarray(0, 1000))
  })
  const file = remote(t, url)
  const controller = new AbortController()
  const why = new Error('enough')
  const options = { signal: controller.signal, onDownload: () => controller.abort(why) }
  const error = await refused(t, file, options, { ...QUICK, stall: 60_000 })
  t.true(error instanceof AbortError)
  t.is(error.cause, why)
  t.true(existsSync(`${file.target}.part`))
  t.true((await refused(t, file, { signal: AbortSignal.abort() })) instanceof AbortError)
})

test('a folder that cannot be written to is told with a way out', async (t) => {
  const { url, requests } = await serve(t, good(CONTENT))
  const file = remote(t, url)
  writeFileSync(dirname(file.target), 'a file where a folder should be')
  const error = await refused(t, file)
  t.is(error.code, 'E_WRITE')
  t.regex(error.hint ?? '', /RESIDUAL_CACHE/)
  t.is(requests.length, 0)
})

test('two that want the same file fetch it once', async (t) => {
  const { url, requests } = await serve(t, good(CONTENT))
  const file = remote(t, url)
  await Promise.all([fetchFile(file, {}, PATIENT), fetchFile(file, {}, PATIENT)])
  arrived(t, file)
  t.is(requests.length, 1)
})

test.serial('proxies are taken from the environment, and left out where it says so', async (t) => {
  const { url, requests } = await serve(t, good(CONTENT))
  const through = await proxy(t)
  t.teardown(() => {
    delete process.env.http_proxy
    delete process.env.no_proxy
  })
  process.env.http_proxy = through.url
  const file = remote(t, url)
  await fetchFile(file, {}, PATIENT)
  arrived(t, file)
  t.deepEqual(through.asked, [`GET ${url}data.bin`])
  process.env.no_proxy = '127.0.0.1'
  await fetchFile(remote(t, url), {}, PATIENT)
  t.is(through.asked.length, 1)
  t.is(requests.length, 2)
})

test('a checksum of which only the beginning is published is enough', async (t) => {
  const { url } = await serve(t, good(CONTENT))
  const weights = { ...remote(t, url), bytes: undefined, most: 400_000, sha256: SHA256.slice(0, 8) }
  await fetchFile(weights, {}, PATIENT)
  arrived(t, weights)
  const small = { ...remote(t, url), bytes: undefined, most: 1000, sha256: SHA256.slice(0, 8) }
  t.regex((await refused(t, small)).message, /more than any such file/)
})
