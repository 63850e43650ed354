import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import test from 'ava'
import { dashboard, ResidualError } from 'residual'
import { writeSampleRun } from '../report/sample-run.js'
import { tempFolder } from '../tiny.js'
import { login, send, startDashboard } from './client.js'

test('exchanges the token in the URL for a cookie that scripts cannot read', async (t) => {
  const page = await startDashboard(t, tempFolder(t))
  const { status, headers } = await send(page, `/${new URL(page.url).search}`)
  t.is(status, 303)
  t.is(headers.location, '/')
  const [cookie = ''] = headers['set-cookie'] ?? []
  t.regex(cookie, /; HttpOnly; SameSite=Strict; Path=\/$/)
  t.false(cookie.includes(new URL(page.url).searchParams.get('token') ?? ''))
  const response = await send(page, '/', { headers: { cookie: cookie.split(';')[0] } })
  t.is(response.status, 200)
  t.regex(response.body, /<title>residual<\/title>/)
})

test('rejects all requests without the token', async (t) => {
  const parent = tempFolder(t)
  writeSampleRun(parent, { name: 'photos' })
  const page = await startDashboard(t, parent)
  const origin = `http://127.0.0.1:${page.port}`
  const wrong = `residual-${page.port}=${'A'.repeat(32)}`
  for (const cookie of ['', wrong, `${wrong}; other=1`, `residual-${page.port}`]) {
    for (const path of ['/', '/?token=', '/?token=wrong', '/page.js', '/api/runs', '/nothing']) {
      t.is((await send(page, path, { headers: { cookie } })).status, 401, `${path} with ${cookie}`)
    }
    const stop = { method: 'POST', headers: { cookie, origin } }
    t.is((await send(page, '/api/stop?run=photos', stop)).status, 401)
  }
  const browser = await send(page, '/', { headers: { accept: 'text/html,*/*' } })
  t.regex(browser.body, /Open the full URL that `residual` printed/)
})

test('rejects other host names (DNS rebinding)', async (t) => {
  const page = await startDashboard(t, tempFolder(t))
  const cookie = await login(page)
  const { port } = page
  const hosts = ['evil.example', `evil.example:${port}`, `127.0.0.1.evil.example:${port}`]
  for (const host of [...hosts, '127.0.0.1', `[::1]:${port}`, '127.0.0.1:1', ' ']) {
    const { status, body } = await send(page, '/api/runs', { headers: { cookie, host } })
    t.true(status === 403 || status === 400, `${host}: ${status}`)
    t.false(body.includes('"runs"'))
  }
  for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `LOCALHOST:${port}`]) {
    t.is((await send(page, '/api/runs', { headers: { cookie, host } })).status, 200, host)
  }
})

test('rejects requests from other origins, even with the cookie', async (t) => {
  const parent = tempFolder(t)
  writeSampleRun(parent, { name: 'photos' })
  const page = await startDashboard(t, parent)
  const cookie = await login(page)
  const others = [
    'http://evil.example',
    'http://127.0.0.1:1',
    'null',
    `https://127.0.0.1:${page.port}`,
  ]
  for (const origin of others) {
    t.is((await send(page, '/api/runs', { headers: { cookie, origin } })).status, 403, origin)
    const stop = { method: 'POST', headers: { cookie, origin } }
    t.is((await send(page, '/api/stop?run=photos', stop)).status, 403, origin)
  }
  // Another port of this machine is the same site, so the browser sends strict cookies.
  const sameSite = { cookie, 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors' }
  t.is((await send(page, '/api/runs', { headers: sameSite })).status, 403)
  t.is((await send(page, '/page.js', { headers: sameSite })).status, 403)
  // A form may be sent without an origin.
  const withoutOrigin = { method: 'POST', headers: { cookie } }
  t.is((await send(page, '/api/stop?run=photos', withoutOrigin)).status, 403)
  const sameOrigin = { cookie, origin: `http://127.0.0.1:${page.port}` }
  const stop = await send(page, '/api/stop?run=photos', { method: 'POST', headers: sameOrigin })
  t.is(stop.status, 409)
  t.regex(stop.body, /not running/)
  t.is((await send(page, '/api/stop?run=photos', { headers: sameOrigin })).status, 404)
})

test('the page cannot be framed and runs no inline script', async (t) => {
  const page = await startDashboard(t, tempFolder(t))
  const { headers } = await send(page, '/', { headers: { cookie: await login(page) } })
  const policy = String(headers['content-security-policy'])
  t.regex(policy, /default-src 'none'; script-src 'self'; style-src 'self'/)
  t.regex(policy, /frame-ancestors 'none'/)
  t.notRegex(policy, /unsafe|\*/)
  t.is(headers['x-content-type-options'], 'nosniff')
  t.is(headers['cache-control'], 'no-store')
})

test('serves no file outside of the page and the runs', async (t) => {
  const parent = tempFolder(t)
  const runs = join(parent, 'runs')
  mkdirSync(runs)
  writeSampleRun(runs, { name: 'photos' })
  const secret = writeSampleRun(parent, { name: 'secret' })
  symlinkSync(secret, join(runs, 'linked'))
  // A run whose log is a link to another run's log.
  const linkedLog = writeSampleRun(runs, { name: 'linked-log' })
  const { rmSync } = await import('node:fs')
  rmSync(join(linkedLog, 'metrics.jsonl'))
  symlinkSync(join(secret, 'metrics.jsonl'), join(linkedLog, 'metrics.jsonl'))
  const page = await startDashboard(t, runs)
  const cookie = await login(page)
  for (const path of [
    ...['/../secret/config.json', '/..%2fsecret%2fconfig.json', '/%2e%2e/secret/config.json'],
    ...['/page.js/../../../../package.json', '/package.json', '/dashboard.js', '/index.html'],
    ...['//etc/passwd', '/\\..\\secret', '/%00', '/page.js%00.css', '/photos/config.json'],
    ...['http://evil.example/api/runs', '*', '/constructor', '/__proto__'],
  ]) {
    t.is((await send(page, path, { headers: { cookie } })).status, 404, path)
  }
  for (const id of [
    '../secret',
    '..%2fsecret',
    'linked',
    '/',
    '.',
    '..',
    'photos/../photos',
    '%00',
    'photos%00',
    '',
  ]) {
    for (const api of ['stream', 'samples']) {
      const { status } = await send(page, `/api/${api}?run=${id}`, { headers: { cookie } })
      t.is(status, 404, `${api} of ${id}`)
    }
  }
  const { body } = await send(page, '/api/runs', { headers: { cookie } })
  t.deepEqual(
    JSON.parse(body)
      .runs.map(({ id }: { id: string }) => id)
      .sort(),
    ['linked-log', 'photos'],
  )
})

test('a port in use is an error with a hint, and the default port is the next free port', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  t.teardown(() => other.close())
  await new Promise((resolve) => other.once('listening', resolve))
  const address = other.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const error = await t.throwsAsync(dashboard(tempFolder(t), { port }), {
    instanceOf: ResidualError,
  })
  t.is(error?.code, 'E_PORT')
  t.is(error?.message, `port ${port} is not available: another program is using it`)
  t.regex(error?.hint ?? '', /Omit the port/)

  const [first, second] = [
    await startDashboard(t, tempFolder(t), {}),
    await startDashboard(t, tempFolder(t), {}),
  ]
  t.true(second.port > 0 && second.port !== first.port)
})

test('rejects an invalid folder or port', async (t) => {
  const file = join(tempFolder(t), 'file')
  writeFileSync(file, '')
  await t.throwsAsync(dashboard(file), { code: 'E_USAGE', message: /is a file/ })
  for (const port of [-1, 1.5, 65_536, '80' as unknown as number, Number.NaN]) {
    await t.throwsAsync(dashboard(tempFolder(t), { port }), { code: 'E_USAGE' }, String(port))
  }
  await t.throwsAsync(dashboard(''), { code: 'E_USAGE' })
})

test('serves a report by the id of its run, with a policy that allows no script', async (t) => {
  const parent = tempFolder(t)
  const dir = writeSampleRun(parent, { name: 'photos' })
  writeSampleRun(parent, { name: 'none' })
  writeSampleRun(parent, { name: 'linked' })
  const secret = join(tempFolder(t), 'report.html')
  writeFileSync(secret, 'a secret')
  symlinkSync(secret, join(parent, 'linked', 'report.html'))
  writeFileSync(join(dir, 'report.html'), '<!doctype html><title>mine</title>')
  const page = await startDashboard(t, parent)
  const cookie = await login(page)
  const { status, headers, body } = await send(page, '/report?run=photos', { headers: { cookie } })
  t.is(status, 200)
  t.is(body, '<!doctype html><title>mine</title>')
  t.is(headers['content-type'], 'text/html; charset=utf-8')
  t.is(
    headers['content-security-policy'],
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; " +
      "form-action 'none'; frame-ancestors 'none'; sandbox",
  )
  t.is((await send(page, '/report?run=photos')).status, 401)
  const crossSite = {
    cookie,
    ...{ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' },
  }
  t.is((await send(page, '/report?run=photos', { headers: crossSite })).status, 403)
  const head = await send(page, '/report?run=photos', { method: 'HEAD', headers: { cookie } })
  t.deepEqual([head.status, head.body], [200, ''])
  for (const run of ['none', 'linked', '', '..', 'photos%2f..%2fphotos', '..%2f..%2fetc', '%00']) {
    const response = await send(page, `/report?run=${run}`, { headers: { cookie } })
    t.is(response.status, 404, run)
    t.notRegex(response.body, /secret|mine/)
  }
  for (const path of ['/report.html', '/photos/report.html', '/report/photos', '/plots/loss.svg']) {
    t.is((await send(page, path, { headers: { cookie } })).status, 404, path)
  }
  const { runs } = JSON.parse((await send(page, '/api/runs', { headers: { cookie } })).body)
  const withReport = runs.filter(({ report }: { report: string | null }) => report !== null)
  t.deepEqual(
    withReport.map(({ id }: { id: string }) => id),
    ['photos'],
  )
})
