/** Tests of clients that send slowly, too much or nothing. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { writeSampleRun } from '../report/sample-run.js'
import { tempFolder } from '../tiny.js'
import { login, openStream, send, startDashboard } from './client.js'

/** Opens a connection, sends bytes and records whether the server has closed it. */
async function rawConnection(t: ExecutionContext, port: number, bytes: string) {
  const socket: Socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  let received = ''
  const state = { isClosed: false, received: () => received, socket }
  socket.on('error', () => {})
  socket.on('close', () => {
    state.isClosed = true
  })
  socket.setEncoding('latin1').on('data', (text) => {
    received += text
  })
  await once(socket, 'connect')
  if (bytes !== '') socket.write(bytes)
  return state
}

const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

const REQUEST = 'GET /api/runs HTTP/1.1\r\nHost: 127.0.0.1\r\n'

test('connections without the token keep neither pages nor streams from working', async (t) => {
  const parent = tempFolder(t)
  writeSampleRun(parent, { name: 'photos' })
  const page = await startDashboard(t, parent)
  const headers = { cookie: await login(page) }
  const stream = await openStream(t, page, '/api/stream?run=photos', headers)
  await stream.next('caught-up')
  // Half of the clients send nothing, the others incomplete headers.
  const clients = await Promise.all(
    Array.from({ length: 700 }, (_, index) =>
      rawConnection(t, page.port, index % 2 === 0 ? '' : REQUEST),
    ),
  )
  const startedAt = Date.now()
  for (let request = 0; request < 5; request++) {
    t.is((await send(page, '/api/runs', { headers })).status, 200)
  }
  t.is((await send(page, `/${new URL(page.url).search}`)).status, 303)
  const second = await openStream(t, page, '/api/stream?run=photos', headers)
  await second.next('caught-up')
  t.true(Date.now() - startedAt < 5000, `${Date.now() - startedAt} ms`)
  await wait(100)
  const numOpen = clients.filter(({ isClosed }) => !isClosed).length
  t.true(numOpen <= 64, `${numOpen} unauthorized connections are open`)
  // Streams stay open after the time in which requests must arrive.
  await wait(7000)
  t.deepEqual(
    clients.filter(({ isClosed }) => !isClosed),
    [],
  )
  t.is((await send(page, '/api/runs', { headers })).status, 200)
  await page.close()
  await stream.next('closed')
  await second.next('closed')
})

test('a client that sends one byte at a time is disconnected within seconds', async (t) => {
  const page = await startDashboard(t, tempFolder(t))
  const client = await rawConnection(t, page.port, REQUEST)
  const timer = setInterval(() => client.socket.write('x'), 200)
  t.teardown(() => clearInterval(timer))
  const startedAt = Date.now()
  while (!client.isClosed && Date.now() - startedAt < 20_000) await wait(100)
  t.true(client.isClosed)
  t.true(Date.now() - startedAt < 10_000, `${Date.now() - startedAt} ms`)
})

test('a flood of headers is rejected', async (t) => {
  const page = await startDashboard(t, tempFolder(t))
  const floods = [
    `${REQUEST}X: ${'x'.repeat(100_000)}\r\n\r\n`,
    `${REQUEST}${'Cookie: residual-1=x\r\n'.repeat(20_000)}\r\n`,
    `GET /${'a'.repeat(100_000)} HTTP/1.1\r\n\r\n`,
  ]
  for (const flood of floods) {
    const client = await rawConnection(t, page.port, flood)
    for (let tries = 0; !client.isClosed && tries < 50; tries++) await wait(50)
    t.true(client.isClosed)
    t.regex(client.received(), /^(HTTP\/1\.1 4(31|00|14) .*)?/)
    t.notRegex(client.received(), /"runs"/)
  }
  const cookie = await login(page)
  const many = Array.from({ length: 500 }, (_, index) => `residual-${page.port}=${index}`)
  const { status } = await send(page, '/api/runs', { headers: { cookie: many.join('; ') } })
  t.is(status, 401)
  t.is((await send(page, '/api/runs', { headers: { cookie } })).status, 200)
})

test('a rejected request ends its connection, also with an endless body', async (t) => {
  const page = await startDashboard(t, tempFolder(t))
  const start = `POST /api/stop?run=x HTTP/1.1\r\nHost: 127.0.0.1:${page.port}\r\n`
  const client = await rawConnection(t, page.port, `${start}Content-Length: 1000000000\r\n\r\n`)
  const timer = setInterval(() => client.socket.write('x'.repeat(1000)), 20)
  t.teardown(() => clearInterval(timer))
  for (let tries = 0; !client.isClosed && tries < 200; tries++) await wait(50)
  t.regex(client.received(), /^HTTP\/1\.1 403 /)
  t.true(client.isClosed)
})
