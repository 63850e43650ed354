import { existsSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'ava'
import { train } from 'residual'
import { tempFolder, tinyConfig } from '../tiny.js'
import { login, send, startDashboard } from './client.js'

test('a stop request saves and ends a run, which can be resumed', async (t) => {
  const config = tinyConfig(t, { epochs: 5000 })
  const dir = config.out as string
  const page = await startDashboard(t, dirname(dir))
  const headers = { cookie: await login(page), origin: `http://127.0.0.1:${page.port}` }
  const run = train(config)
  for await (const event of run) if (event.type === 'epoch') break
  const { status, body } = await send(page, '/api/stop?run=run', { method: 'POST', headers })
  t.is(status, 202, body)
  const { stopReason, epochs } = await run
  t.is(stopReason, 'stopped')
  t.false(existsSync(join(dir, '.stop')))

  // A request from before the run was resumed does not stop it.
  writeFileSync(join(dir, '.stop'), '')
  const resumed = await train({ resume: dir, epochs: epochs + 1 })
  t.is(resumed.stopReason, 'completed')
  t.false(existsSync(join(dir, '.stop')))
})

test('a run can be stopped if the dashboard serves only its run folder', async (t) => {
  const dir = join(tempFolder(t), 'photos')
  const config = tinyConfig(t, { epochs: 5000, out: dir })
  const run = train(config)
  for await (const event of run) if (event.type === 'epoch') break
  const page = await startDashboard(t, dir)
  const headers = { cookie: await login(page), origin: `http://127.0.0.1:${page.port}` }
  const { status } = await send(page, '/api/stop?run=photos', { method: 'POST', headers })
  t.is(status, 202)
  t.is((await run).stopReason, 'stopped')
})
