/** Tests of the states of runs, and of damaged files. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type TrainConfig, train } from 'residual'
import { ROOT } from '../child.js'
import { writeSampleRun } from '../report/sample-run.js'
import { tempFolder, tinyConfig } from '../tiny.js'
import { login, type OpenStream, openStream, send, startDashboard } from './client.js'

/** Starts a dashboard and opens the stream of the run `run`. */
async function followRun(t: ExecutionContext, config: TrainConfig) {
  const page = await startDashboard(t, dirname(config.out as string))
  const cookie = await login(page)
  const stream = await openStream(t, page, '/api/stream?run=run', { cookie })
  return { page, stream }
}

async function waitForSummary(
  stream: OpenStream,
  // biome-ignore lint/suspicious/noExplicitAny: a summary in JSON
  isExpected: (summary: any) => boolean,
) {
  for (;;) {
    const { data } = await stream.next('summary')
    if (isExpected(data)) return data
  }
}

test('an open stream learns that a run has completed, and of its report', async (t) => {
  const config = tinyConfig(t, { epochs: 40 })
  const run = train(config, { report: true })
  for await (const event of run) if (event.type === 'epoch') break
  const { stream } = await followRun(t, config)
  t.is((await stream.next('summary')).data.state, 'running')
  const { report } = await run
  const summary = await waitForSummary(stream, (data) => data.report !== null)
  t.is(summary.state, 'ended')
  t.is(summary.stopReason, 'completed')
  t.is(summary.report, report)
})

test('a server that closes at the end of a run sends the final state before', async (t) => {
  const config = tinyConfig(t, { epochs: 40 })
  const run = train(config)
  for await (const event of run) if (event.type === 'epoch') break
  const { page, stream } = await followRun(t, config)
  t.is((await stream.next('summary')).data.state, 'running')
  await run
  await page.close()
  await waitForSummary(stream, ({ state }) => state === 'ended')
  await stream.next('closed')
})

test('an open stream learns that a run has failed', async (t) => {
  const config = tinyConfig(t, { epochs: 5000 })
  let hasFailed = false
  const run = train(config, {
    onEpoch() {
      if (hasFailed) throw new Error('a failure')
    },
  })
  run.then(undefined, () => {})
  for await (const event of run) if (event.type === 'epoch') break
  const { stream } = await followRun(t, config)
  t.is((await stream.next('summary')).data.state, 'running')
  hasFailed = true
  await t.throwsAsync(async () => await run, { message: 'a failure' })
  t.is((await waitForSummary(stream, ({ state }) => state !== 'running')).state, 'interrupted')
})

test('an open stream learns that the process of a run was killed', async (t) => {
  const config = tinyConfig(t, { epochs: 5000 })
  const source = `import { train } from 'residual'; await train(${JSON.stringify(config)})`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], { cwd: ROOT })
  t.teardown(() => child.kill('SIGKILL'))
  const log = join(config.out as string, 'metrics.csv')
  while (!existsSync(log)) await new Promise((resolve) => setTimeout(resolve, 50))
  const { stream } = await followRun(t, config)
  t.is((await stream.next('summary')).data.state, 'running')
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.is((await waitForSummary(stream, ({ state }) => state !== 'running')).state, 'interrupted')
})

test('runs with damaged files are listed with a remark', async (t) => {
  const parent = tempFolder(t)
  const cut = (name: string, file: string, keep: (text: string) => string) => {
    const path = join(writeSampleRun(parent, { name }), file)
    writeFileSync(path, keep(readFileSync(path, 'utf8')))
    return path
  }
  const end = { type: 'end', result: { stopReason: 'completed', epochs: 4, steps: 40 } }
  cut('result', 'result.json', (text) => text.slice(0, 30))
  const logged = cut('logged', 'result.json', () => '\0\0\0')
  appendFileSync(join(dirname(logged), 'metrics.jsonl'), `${JSON.stringify(end)}\n`)
  const config = cut('config', 'config.json', (text) => text.slice(0, 40))
  const log = join(dirname(config), 'metrics.jsonl')
  writeFileSync(log, readFileSync(log, 'utf8').replace('"parameters"', '"reasons":{},"parameters"'))
  cut('log', 'metrics.jsonl', (text) => text.slice(0, -30))
  cut('environment', 'environment.json', () => '[')
  rmSync(
    join(
      cut('whole', 'config.json', (text) => text),
      '..',
      'environment.json',
    ),
  )

  const page = await startDashboard(t, parent)
  const headers = { cookie: await login(page) }
  const { runs } = JSON.parse((await send(page, '/api/runs', { headers })).body)
  const remarks = Object.fromEntries(
    runs.map(({ id, remark, state }: Record<string, unknown>) => [id, [state, remark]]),
  )
  t.deepEqual(remarks, {
    result: ['interrupted', 'result.json is damaged and ignored.'],
    logged: ['ended', 'result.json is damaged; the result is that of metrics.jsonl.'],
    config: ['ended', 'config.json is damaged; the configuration is that of metrics.jsonl.'],
    log: [
      'ended',
      'The last line of metrics.jsonl is truncated: the run was killed while writing.',
    ],
    environment: ['ended', null],
    whole: ['ended', null],
  })

  // The stream of a damaged log counts the lines that it skips.
  appendFileSync(join(parent, 'log', 'metrics.jsonl'), '\n{"type":"step","st\n\0\0\n')
  const stream = await openStream(t, page, '/api/stream?run=log', headers)
  t.is((await stream.next('points')).data.unreadable, 3)
})
