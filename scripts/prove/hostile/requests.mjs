// Requests of hostile clients to a dashboard, and the judgment of its responses.

import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'

/** Time in which every request is answered, also on a busy machine. */
const MAX_MILLISECONDS = 10_000

/** Text of the files that no response may contain. */
export const SECRET = 'canary-9d1f'

/**
 * A dashboard, or a server in its place.
 *
 * @typedef {object} Target
 * @property {number} port
 * @property {string} token
 * @property {string} cookie session cookie of an authorized client
 */

/**
 * A response with its complete body. The status is 0 if the connection was closed.
 *
 * @typedef {{ status: number, body: string, setCookie: string }} Response
 */

/**
 * Sends a request without normalizing its path, as `fetch` would.
 *
 * @param {number} port
 * @param {string} path
 * @param {{ method?: string, headers?: Record<string, string>, milliseconds?: number }} [options]
 *   `milliseconds`: time after which an unfinished response, such as a stream, is returned
 * @returns {Promise<Response>}
 */
export function send(port, path, { method = 'GET', headers = {}, milliseconds = 5000 } = {}) {
  return new Promise((resolve) => {
    const response = { status: 0, body: '', setCookie: '' }
    const options = { host: '127.0.0.1', port, path, method, headers, agent: false }
    const sent = request(options, (incoming) => {
      response.status = incoming.statusCode ?? 0
      response.setCookie = incoming.headers['set-cookie']?.[0] ?? ''
      incoming.setEncoding('utf8').on('data', (text) => {
        response.body += text
      })
      incoming.on('error', () => {})
      incoming.on('close', () => resolve(response))
    })
    sent.on('error', () => resolve(response))
    sent.setTimeout(milliseconds, () => sent.destroy())
    setTimeout(() => sent.destroy(), milliseconds).unref()
    sent.end()
  })
}

/**
 * Exchanges the token for a session cookie.
 *
 * @param {number} port
 * @param {string} token
 */
export async function login(port, token) {
  const { setCookie } = await send(port, `/?token=${token}`)
  return setCookie.split(';')[0]
}

/**
 * An attack: a description, and a promise of what it reached (undefined for nothing).
 *
 * @typedef {[name: string, problem: string | undefined]} Attempt
 */

/**
 * @param {Response} response
 * @param {readonly number[]} expected statuses
 * @returns {string | undefined}
 */
function findProblem({ status, body }, expected) {
  if (body.includes(SECRET) || /root:.*:0:0:/.test(body)) return 'reads another file'
  if (!expected.includes(status)) return `status ${status}`
  return body.includes('"runs"') || body.includes('data: ') ? 'reads runs' : undefined
}

const PATHS = ['/', '/?token=', '/?token=wrong', '/page.js', '/api/runs', '/api/stream?run=photos']
const MORE_PATHS = [
  '/api/samples?run=photos',
  '/report?run=photos',
  '/nothing',
  '/?token=a&token=b',
]

/**
 * Sends requests without the secret, for another host and from other pages.
 *
 * @param {Target} target
 * @returns {Promise<Attempt[]>}
 */
export async function attackGuard({ port, token, cookie }) {
  /** @type {Attempt[]} */
  const attempts = []
  const own = `http://127.0.0.1:${port}`
  /**
   * @param {string} name
   * @param {string} path
   * @param {Record<string, string>} headers
   * @param {string} [method]
   */
  const add = async (name, path, headers, method = 'GET') => {
    const response = await send(port, path, { method, headers, milliseconds: MAX_MILLISECONDS })
    attempts.push([`${name}: ${method} ${path}`, findProblem(response, [400, 401, 403, 405])])
  }
  const [cookieName] = cookie.split('=')
  const wrong = [
    '',
    `${cookieName}=`,
    `${cookieName}=${'A'.repeat(32)}`,
    `x${cookie}`,
    `${cookie}A`,
  ]
  const secrets = [...wrong, cookie.slice(0, -1), cookie.toUpperCase(), `${cookieName}=${token}`]
  for (const value of secrets) {
    for (const path of [...PATHS, ...MORE_PATHS])
      await add(`cookie ${value}`, path, { cookie: value })
    await add(`cookie ${value}`, '/api/stop?run=photos', { cookie: value, origin: own }, 'POST')
  }
  const hosts = [
    'evil.example',
    `evil.example:${port}`,
    '127.0.0.1',
    '127.0.0.1:1',
    `[::1]:${port}`,
  ]
  for (const host of [
    ...hosts,
    `127.0.0.1.evil.example:${port}`,
    `127.0.0.1:${port}@evil`,
    'a b',
  ]) {
    for (const path of [...PATHS, `/?token=${token}`])
      await add(`host ${host}`, path, { cookie, host })
  }
  const origins = ['http://evil.example', 'http://127.0.0.1:1', 'null', `https://127.0.0.1:${port}`]
  for (const origin of [...origins, `http://localhost:${port}`, `${own}.evil.example`, 'file://']) {
    for (const path of PATHS) await add(`origin ${origin}`, path, { cookie, origin })
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      await add(`origin ${origin}`, '/api/stop?run=photos', { cookie, origin }, method)
    }
  }
  for (const site of ['cross-site', 'same-site', 'unknown']) {
    for (const path of PATHS.slice(3)) {
      const mode = { 'sec-fetch-mode': 'no-cors' }
      await add(`site ${site}`, path, { cookie, 'sec-fetch-site': site, ...mode })
    }
  }
  await add('no origin', '/api/stop?run=photos', { cookie }, 'POST')
  return attempts
}

/** Ways to write `../`. */
const UP = ['../', '..%2f', '%2e%2e/', '%2e%2e%2f', '..\\', '..%5c', '..%252f', '....//', '..;/']
const MORE_UP = ['%c0%ae%c0%ae/', '.%2e/', '..%00/', '..%0d%0a/', './../', '%uff0e%uff0e/', '..／']
const FILES = ['secret/canary', 'secret/config.json', 'secret/metrics.jsonl', 'etc/passwd']

/**
 * Requests files outside of the runs, and runs that are links, with the session cookie.
 *
 * @param {Target} target
 * @returns {Promise<Attempt[]>}
 */
export async function attackPaths({ port, cookie }) {
  const paths = [...UP, ...MORE_UP].flatMap((up) =>
    [1, 4].flatMap((depth) => {
      const [prefix, id] = [up.repeat(depth), `${up.repeat(depth)}secret`]
      const files = FILES.flatMap((file) => [`/${prefix}${file}`, `/page.js/${prefix}${file}`])
      const apis = ['stream', 'samples'].map((api) => `/api/${api}?run=${id}`)
      return [...files, ...apis, `/report?run=${id}`, `/report?run=photos/${id}`]
    }),
  )
  const ids = [
    'linked',
    'photos/../../secret',
    '/etc',
    '.',
    '..',
    '',
    '%00',
    'photos%00',
    'photos/',
  ]
  const more = [
    '//etc/passwd',
    '/\\..\\secret',
    '/package.json',
    '/photos/config.json',
    '/__proto__',
  ]
  const routes = ids.flatMap((id) => [`/api/stream?run=${id}`, `/api/samples?run=${id}`])
  const links = ['linked-log', 'linked-report'].flatMap((id) => [
    `/report?run=${id}`,
    `/api/samples?run=${id}`,
  ])
  /** @type {Attempt[]} */
  const attempts = []
  for (const path of [...paths, ...routes, ...more]) {
    const response = await send(port, encodeURI(path).replaceAll('%25', '%'), {
      headers: { cookie },
      milliseconds: MAX_MILLISECONDS,
    })
    attempts.push([path, findProblem(response, [400, 404])])
  }
  for (const path of [...links, '/api/stream?run=linked-log', '/api/runs']) {
    const response = await send(port, path, { headers: { cookie }, milliseconds: 2000 })
    const isSecret = response.body.includes(SECRET)
    attempts.push([path, isSecret ? 'reads through a link' : undefined])
  }
  return attempts
}

/**
 * A connection that sends bytes.
 *
 * @param {number} port
 * @param {string} bytes
 */
export async function openConnection(port, bytes) {
  const socket = connect(port, '127.0.0.1')
  const state = { socket, received: '', isClosed: false }
  socket.on('error', () => {})
  socket.on('close', () => {
    state.isClosed = true
  })
  socket.setEncoding('latin1').on('data', (text) => {
    state.received += text
  })
  await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => {})
  if (bytes !== '') socket.write(bytes)
  return state
}

/** @param {number} milliseconds */
export const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))

/**
 * Sends malformed requests and floods. Each must end with a status of 4xx or a closed connection.
 *
 * @param {Target} target
 * @returns {Promise<Attempt[]>}
 */
export async function attackProtocol({ port, cookie }) {
  const host = `Host: 127.0.0.1:${port}\r\n`
  const start = `GET /api/runs HTTP/1.1\r\n${host}`
  const authorized = `Cookie: ${cookie}\r\n`
  /** @type {Record<string, string>} */
  const requests = {
    'no request': '\x16\x03\x01\x02\x00\x01\x00',
    'no host': 'GET /api/runs HTTP/1.1\r\n\r\n',
    'two hosts': `${start}Host: evil.example\r\n\r\n`,
    'HTTP/0.9': 'GET /api/runs\r\n',
    'HTTP/3.0': `GET /api/runs HTTP/3.0\r\n${host}\r\n`,
    'line feeds only': start.replaceAll('\r\n', '\n').concat('\n'),
    'a header without colon': `${start}Cookie\r\n\r\n`,
    'a folded header': `${start}X: a\r\n b\r\n\r\n`,
    'a null byte': `${start}X: a\x00b\r\n\r\n`,
    'a null byte in the path': `GET /\x00 HTTP/1.1\r\n${host}\r\n`,
    'a space in the name': `${start}X : a\r\n\r\n`,
    'two lengths': `POST /api/stop HTTP/1.1\r\n${host}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`,
    'length and chunks': `POST /api/stop HTTP/1.1\r\n${host}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${start}\r\n`,
    'a wrong chunk': `POST /api/stop HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
    'a negative length': `POST /api/stop HTTP/1.1\r\n${host}Content-Length: -1\r\n\r\n`,
    'an unknown method': `BREW /api/runs HTTP/1.1\r\n${host}\r\n`,
    'a proxy request': `GET http://evil.example/ HTTP/1.1\r\n${host}\r\n`,
    'a tunnel': `CONNECT evil.example:443 HTTP/1.1\r\n${host}\r\n`,
    'a web socket': `${start}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAA\r\n\r\n`,
    'HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'a long path': `GET /${'a'.repeat(200_000)} HTTP/1.1\r\n${host}\r\n`,
    'a long header': `${start}X: ${'x'.repeat(200_000)}\r\n\r\n`,
    'many headers': `${start}${'X: y\r\n'.repeat(50_000)}\r\n`,
    'many cookies': `${start}${`Cookie: residual-${port}=x\r\n`.repeat(20_000)}\r\n`,
    'many queries': `GET /api/stream?${'run=photos&'.repeat(1000)} HTTP/1.1\r\n${host}\r\n`,
    'an endless body': `POST /api/stop?run=photos HTTP/1.1\r\n${host}Content-Length: 1000000000000\r\n\r\n${'x'.repeat(100_000)}`,
    'many requests': `${start}\r\n`.repeat(500),
    'a null byte with the cookie': `${start}${authorized}X: a\x00b\r\n\r\n`,
    'a chunked stop with the cookie': `POST /api/stop?run=photos HTTP/1.1\r\n${host}${authorized}Transfer-Encoding: chunked\r\n\r\n5\r\nab`,
  }
  /** @type {Attempt[]} */
  const attempts = []
  for (const [name, bytes] of Object.entries(requests)) {
    const connection = await openConnection(port, bytes)
    for (let tries = 0; tries < 300 && !connection.isClosed; tries++) await wait(50)
    const { received, isClosed, socket } = connection
    socket.destroy()
    const isRefused = /^(HTTP\/1\.1 4\d\d |$)/.test(received)
    const problem = received.includes('"runs"') ? 'reads runs' : undefined
    const other = isRefused ? (isClosed ? undefined : 'stays open') : received.split('\r\n')[0]
    attempts.push([name, problem ?? other])
  }
  return attempts
}

/**
 * Opens many connections that send slowly or nothing. An authorized client must be served meanwhile.
 *
 * @param {Target} target
 * @param {number} count
 * @returns {Promise<Attempt[]>}
 */
export async function attackSlowly({ port, cookie }, count) {
  const partial = `GET /api/runs HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n`
  const opening = Array.from({ length: count }, (_, index) =>
    openConnection(port, index % 2 === 0 ? '' : partial),
  )
  const connections = await Promise.all(opening)
  const drip = setInterval(() => {
    for (const { socket, isClosed } of connections) if (!isClosed) socket.write('x')
  }, 500)
  /** @type {Attempt[]} */
  const attempts = []
  for (let number = 1; number <= 5; number++) {
    attempts.push([
      `request ${number} beside slow clients`,
      await findAccessProblem({ port, cookie }),
    ])
  }
  const start = performance.now()
  const isAnyOpen = () => connections.some(({ isClosed }) => !isClosed)
  while (isAnyOpen() && performance.now() - start < 15_000) await wait(100)
  clearInterval(drip)
  for (const [index, { socket, isClosed }] of connections.entries()) {
    attempts.push([`slow client ${index}`, isClosed ? undefined : 'stays connected'])
    socket.destroy()
  }
  return attempts
}

/**
 * Returns why an authorized client is not served within five seconds.
 *
 * @param {Pick<Target, 'port' | 'cookie'>} target
 */
export async function findAccessProblem({ port, cookie }) {
  const { status } = await send(port, '/api/runs', { headers: { cookie } })
  return status === 200 ? undefined : 'an authorized client is not served within 5 s'
}

/**
 * Opens many streams with the session cookie and leaves them open.
 *
 * @param {Target} target
 * @param {number} count
 * @returns {Promise<{ attempts: Attempt[], accepted: number }>}
 */
export async function attackStreams({ port, cookie }, count) {
  const bytes =
    `GET /api/stream?run=photos HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n` +
    `Cookie: ${cookie}\r\n\r\n`
  const opening = Array.from({ length: count }, () => openConnection(port, bytes))
  const streams = await Promise.all(opening)
  const isAnswered = () => streams.every(({ received, isClosed }) => isClosed || received !== '')
  for (let tries = 0; tries < 200 && !isAnswered(); tries++) await wait(50)
  await wait(3000)
  /** @type {Attempt[]} */
  const attempts = streams.map(({ received, isClosed }, index) => {
    const status = /^HTTP\/1\.1 (\d+)/.exec(received)?.[1]
    const isBounded = isClosed || status === '200' || status === '503'
    return [`stream ${index}`, isBounded ? undefined : `status ${status}`]
  })
  const accepted = streams.filter(({ received }) => received.startsWith('HTTP/1.1 200')).length
  attempts.push(['a request beside idle streams', await findAccessProblem({ port, cookie })])
  for (const { socket } of streams) socket.destroy()
  await wait(1000)
  const { status } = await send(port, '/api/stream?run=photos', {
    headers: { cookie },
    milliseconds: 2000,
  })
  attempts.push(['a new stream afterwards', status === 200 ? undefined : `status ${status}`])
  return { attempts, accepted }
}
