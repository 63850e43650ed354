import { existsSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'ava'
import { train } from 'residual'
import { folder, tinyRun } from '../tiny.js'
import { ask, login, served } from './client.js'

test('a run is asked to stop over the page, stops saved, and is gone on with in spite of it', async (t) => {
  const config = tinyRun(t, { epochs: 5000 })
  const dir = config.out as string
  const page = await served(t, dirname(dir))
  const headers = { cookie: await login(page), origin: `http://127.0.0.1:${page.port}` }
  const run = train(config)
  for await (const event of run) if (event.type === 'epoch') break
  const { status, body } = await ask(page, '/api/stop?run=run', { method: 'POST', headers })
  t.is(status, 202, body)
  const { stopReason, epochs } = await run
  t.is(stopReason, 'stopped')
  t.false(existsSync(join(dir, '.stop')))

  // A request that nobody took away, for the process was killed: not meant for who comes after.
  writeFileSync(join(dir, '.stop'), '')
  const resumed = await train({ resume: dir, epochs: epochs + 1 })
  t.is(resumed.stopReason, 'completed')
  t.false(existsSync(join(dir, '.stop')))
})

test('a run folder that is shown itself can be stopped too', async (t) => {
  const dir = join(folder(t), 'photos')
  const config = tinyRun(t, { epochs: 5000, out: dir })
  const run = train(config)
  for await (const event of run) if (event.type === 'epoch') break
  const page = await served(t, dir)
  const headers = { cookie: await login(page), origin: `http://127.0.0.1:${page.port}` }
  const { status } = await ask(page, '/api/stop?run=photos', { method: 'POST', headers })
  t.is(status, 202)
  t.is((await run).stopReason, 'stopped')
})
