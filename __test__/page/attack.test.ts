/** Attacks on the dashboard, from pages of other origins in a real browser. */
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { delimiter, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ExecutionContext } from 'ava'
import { train } from 'residual'
import { residual } from '../child.js'
import { startDashboard } from '../dashboard/client.js'
import { writeSampleRun } from '../report/sample-run.js'
import { tempFolder, tinyConfig } from '../tiny.js'
import { open, pageTest as test } from './browser.js'

/** Serves an empty page of another origin, and returns its port. */
async function serveOtherOrigin(t: ExecutionContext): Promise<number> {
  const server = createServer((_, response) => {
    response
      .writeHead(200, { 'Content-Type': 'text/html' })
      .end('<!doctype html><title>other</title>')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/**
 * Script of a hostile page: tries to read from the dashboard, to stop a run and to embed the page.
 * Returns what succeeded. `npm run prove` uses it, too.
 */
const ATTACK = readFileSync(join('scripts', 'prove', 'hostile', 'hostile-page.txt'), 'utf8')

test('pages of other origins can neither read from the dashboard nor stop a run', async (t) => {
  const config = tinyConfig(t, { epochs: 100_000 })
  const run = train(config)
  for await (const event of run) if (event.type === 'epoch') break
  t.teardown(async () => {
    run.stop()
    await run
  })
  const server = await startDashboard(t, dirname(config.out as string))
  const otherPort = await serveOtherOrigin(t)
  const { page } = await open(t, server.url)
  await page.getByText('running', { exact: true }).waitFor()
  // In the same browser, which has the cookie: another port is the same site, another host is not.
  for (const origin of [`http://127.0.0.1:${otherPort}`, `http://localhost:${otherPort}`]) {
    const attacker = await page.context().newPage()
    await attacker.goto(origin)
    for (const host of ['127.0.0.1', 'localhost']) {
      const target = `http://${host}:${server.port}`
      const successes = await attacker.evaluate(`(${ATTACK})(${JSON.stringify(target)})`)
      t.deepEqual(successes, [], `${origin} to ${target}`)
    }
    await attacker.close()
  }
  t.is(run.state, 'running')
  t.false(existsSync(join(config.out as string, '.stop')))
  // The page itself still works.
  t.is(await page.evaluate(`fetch('/api/runs').then((response) => response.status)`), 200)
  await page.getByText('running', { exact: true }).waitFor()
})

test('the browser is opened with a private file, and no argument contains the token', async (t) => {
  const parent = join(tempFolder(t), 'my "runs" & <b>')
  mkdirSync(parent)
  writeSampleRun(parent, { name: 'photos' })
  const bin = tempFolder(t)
  const log = join(bin, 'arguments')
  for (const name of ['xdg-open', 'open']) {
    const file = join(bin, name)
    writeFileSync(file, `#!/bin/sh\nprintf '%s\\n' "$@" > '${log}.tmp'\nmv '${log}.tmp' '${log}'\n`)
    chmodSync(file, 0o755)
  }
  let opened = ''
  const { stdout, stderr } = await residual(['dashboard', parent], {
    env: { DISPLAY: ':0', PATH: `${bin}${delimiter}${process.env.PATH}` },
    during: async (child) => {
      const url = await child.waitForLine()
      const token = new URL(url).searchParams.get('token') ?? ''
      while (!existsSync(log)) await new Promise((resolve) => setTimeout(resolve, 20))
      const passed = readFileSync(log, 'utf8')
      t.false(passed.includes(token), passed)
      opened = passed.trimEnd()
      t.is(statSync(opened).mode & 0o777, 0o600)
      t.true(readFileSync(opened, 'utf8').includes(token))
      const { page, errors } = await open(t, pathToFileURL(opened).href)
      await page.getByText('up to date', { exact: true }).waitFor()
      await page.getByRole('heading', { level: 2, name: 'photos' }).waitFor()
      t.false(page.url().includes('token'))
      child.kill('SIGINT')
      t.deepEqual(errors, [])
    },
  })
  t.regex(stdout, /^http:\/\/127/, stderr)
  t.false(existsSync(opened), 'the file is removed')
})
