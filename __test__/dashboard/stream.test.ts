import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { writeSampleRun } from '../report/sample-run.js'
import { tempFolder } from '../tiny.js'
import { login, openStream, send, startDashboard } from './client.js'

const line = (step: number) =>
  `${JSON.stringify({
    time: 1.5,
    type: 'step',
    epoch: 1,
    step,
    stepInEpoch: step,
    stepsPerEpoch: 100,
    loss: step / 10,
    epochLoss: 1,
    epochAccuracy: 0.5,
    lr: 0.1,
    imagesPerSecond: 900,
    etaSeconds: 12,
  })}\n`

/** Creates a run with a number of logged steps, and a function that opens its stream. */
async function serveRun(t: Parameters<typeof startDashboard>[0], steps: number) {
  const parent = tempFolder(t)
  const dir = writeSampleRun(parent, { name: 'photos' })
  const log = join(dir, 'metrics.jsonl')
  writeFileSync(log, Array.from({ length: steps }, (_, index) => line(index + 1)).join(''))
  const page = await startDashboard(t, parent)
  const headers = { cookie: await login(page) }
  const follow = (more: Record<string, string> = {}, query = '') =>
    openStream(t, page, `/api/stream?run=photos${query}`, { ...headers, ...more })
  return { parent, dir, log, page, headers, follow }
}

test('sends existing lines first and then new ones', async (t) => {
  const { log, follow } = await serveRun(t, 3)
  const stream = await follow()
  const first = await stream.next('points')
  t.deepEqual(first.data.steps.step, [1, 2, 3])
  t.deepEqual(first.data.steps.loss, [0.1, 0.2, 0.3])
  t.deepEqual(first.data.steps.epoch, [0.01, 0.02, 0.03])
  t.is(first.data.now.etaSeconds, 12)
  t.regex(first.id, new RegExp(`^${statSync(log).size}-\\d+$`))
  await stream.next('caught-up')
  appendFileSync(log, line(4))
  const next = await stream.next('points')
  t.deepEqual(next.data.steps.step, [4])
  t.false(next.data.reset)
})

test('waits for the end of an incomplete line', async (t) => {
  const { log, follow } = await serveRun(t, 1)
  const stream = await follow()
  await stream.next('caught-up')
  const text = line(2)
  appendFileSync(log, text.slice(0, 40))
  await new Promise((resolve) => setTimeout(resolve, 700))
  appendFileSync(log, text.slice(40))
  t.deepEqual((await stream.next('points')).data.steps.step, [2])
})

test('a reconnection continues after the last event', async (t) => {
  const { log, follow } = await serveRun(t, 5)
  const first = await follow()
  const { id } = await first.next('points')
  first.close()
  appendFileSync(log, line(6))
  const reconnected = await follow({ 'last-event-id': id })
  const { data } = await reconnected.next('points')
  t.deepEqual([data.reset, data.steps.step], [false, [6]])
  // A page that closed the connection itself sends the position in the URL.
  const fromUrl = await follow({}, `&from=${id}`)
  t.deepEqual((await fromUrl.next('points')).data.steps.step, [6])
})

test('rereads a log that a resumed run truncated, even if it has grown past the old position', async (t) => {
  const { log, follow } = await serveRun(t, 5)
  const live = await follow()
  const { id } = await live.next('points')
  await live.next('caught-up')
  const twoLines = line(1).length + line(2).length
  truncateSync(log, twoLines)
  appendFileSync(log, [3.5, 4.5, 5.5, 6.5, 7.5].map((step) => line(2 * step)).join(''))
  t.true(statSync(log).size > Number(id.split('-')[0]))
  const expected = [1, 2, 7, 9, 11, 13, 15]
  const update = await live.next('points')
  t.deepEqual([update.data.reset, update.data.steps.step], [true, expected])
  const reconnected = await follow({ 'last-event-id': id })
  const { data } = await reconnected.next('points')
  t.deepEqual([data.reset, data.steps.step], [true, expected])
})

test('rereads a log that was truncated and has not grown since', async (t) => {
  const { log, follow } = await serveRun(t, 5)
  const live = await follow()
  await live.next('caught-up')
  truncateSync(log, line(1).length)
  const { data } = await live.next('points')
  t.deepEqual([data.reset, data.steps.step], [true, [1]])
})

test('skips invalid lines, positions and events of a newer version', async (t) => {
  const { log, follow } = await serveRun(t, 0)
  const invalid = [
    ...['', 'not JSON', '[1]', 'null', '{"type":"newer","step":1}', '{"type":"step"}'],
    '{"type":"step","step":-1}',
    '{"type":"step","step":7,"loss":null,"lr":"high","imagesPerSecond":1e999}',
    '{"type":"epoch","epoch":1,"step":7,"train":null,"val":7}',
    '{"type":"start","data":7}',
    '{"type":"warning","message":"broken","hint":"mend it","code":"E_IMAGE"}',
    '\u0000\u0000',
  ]
  writeFileSync(log, `${invalid.join('\n')}\n`)
  for (const position of ['', 'nonsense', '-1-0', '99999999999999999999-1', '1-1,2-2', '3-0']) {
    const stream = await follow({ 'last-event-id': position })
    const { data } = await stream.next('points')
    t.deepEqual(data.steps, {
      step: [7],
      epoch: [null],
      loss: [null],
      accuracy: [null],
      lr: [null],
      rate: [null],
    })
    t.deepEqual(data.epochs.valAccuracy, [null])
    t.deepEqual(
      data.notices.map(({ type }: { type: string }) => type),
      ['start', 'warning'],
    )
    stream.close()
  }
})

test('skips an oversized line', async (t) => {
  const { log, follow } = await serveRun(t, 0)
  writeFileSync(log, `${line(1)}${'x'.repeat(20 * 2 ** 20)}\n${line(2)}`)
  const stream = await follow()
  const steps: number[] = []
  while (steps.length < 2) steps.push(...(await stream.next('points')).data.steps.step)
  t.deepEqual(steps, [1, 2])
})

test('one stream serves several runs, each with its position', async (t) => {
  const { parent, page, headers } = await serveRun(t, 2)
  writeSampleRun(parent, { name: 'other', epochs: 1, stepsPerEpoch: 3 })
  const path = '/api/stream?run=other&run=photos'
  const stream = await openStream(t, page, path, headers)
  const events = [await stream.next('points'), await stream.next('points')]
  t.deepEqual(
    events.map(({ data }) => [data.run, data.steps.step]),
    [
      [0, [1, 2, 3]],
      [1, [1, 2]],
    ],
  )
  t.regex(events[1]?.id ?? '', /^[1-9]\d*-\d+,[1-9]\d*-\d+$/)
  const many = `/api/stream?${'run=photos&'.repeat(13)}`
  t.is((await send(page, many, { headers })).status, 400)
  t.is((await send(page, '/api/stream', { headers })).status, 400)
})

test('limits the number of open streams', async (t) => {
  const { log, page, headers, follow } = await serveRun(t, 1)
  const streams = await Promise.all(Array.from({ length: 500 }, () => follow()))
  const accepted = streams.filter(({ status }) => status === 200)
  const rejected = streams.filter(({ status }) => status === 503)
  t.is(accepted.length, 64)
  t.is(rejected.length, 436)
  await Promise.all(rejected.map(({ ended }) => ended))
  t.regex(rejected[0]?.body ?? '', /already open 64 times.*Close other tabs/)
  appendFileSync(log, line(2))
  await Promise.all(
    accepted.map(async (stream) => {
      while (!(await stream.next('points')).data.steps.step.includes(2));
    }),
  )
  // The server still responds, and accepts streams again after the others are closed.
  t.is((await send(page, '/api/runs', { headers })).status, 200)
  for (const stream of accepted) stream.close()
  let last = await follow()
  for (let tries = 0; last.status === 503 && tries < 50; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    last = await follow()
  }
  t.is(last.status, 200)
})

test('closing the server sends the end of the log and a final event', async (t) => {
  const { log, page, follow } = await serveRun(t, 1)
  const stream = await follow()
  await stream.next('caught-up')
  appendFileSync(log, line(2))
  await page.close()
  t.deepEqual((await stream.next('points')).data.steps.step, [2])
  await stream.next('closed')
  await stream.ended
  await t.throwsAsync(follow(), { code: 'ECONNREFUSED' })
})

test('lists runs of all states and versions, also in nested folders', async (t) => {
  const parent = tempFolder(t)
  writeSampleRun(parent, { name: '鸟类与花', version: '99.0.0' })
  writeSampleRun(join(parent, 'experiment'), { name: 'طيور', finished: false })
  writeSampleRun(parent, { name: '<script>alert(1)<' })
  mkdirSync(join(parent, 'empty'))
  mkdirSync(join(parent, 'project'))
  writeFileSync(join(parent, 'project', 'config.json'), '{ "compilerOptions": {} }')
  mkdirSync(join(parent, 'truncated'))
  writeFileSync(join(parent, 'truncated', 'config.json'), '{ "data": {')
  const page = await startDashboard(t, parent)
  const { body } = await send(page, '/api/runs', { headers: { cookie: await login(page) } })
  const { runs, folder: shown } = JSON.parse(body)
  t.is(shown, parent)
  const byId = Object.fromEntries(runs.map((run: { id: string }) => [run.id, run]))
  t.deepEqual(Object.keys(byId).sort(), ['<script>alert(1)<', 'experiment/طيور', '鸟类与花'].sort())
  t.is(byId['experiment/طيور'].state, 'interrupted')
  t.is(byId['<script>alert(1)<'].state, 'ended')
  t.is(byId['<script>alert(1)<'].testAccuracy, 0.9)
  t.regex(byId.鸟类与花.remark, /newer version \(99\.0\.0\)/)
})

test('a missing folder has no runs until it is created', async (t) => {
  const parent = tempFolder(t)
  const page = await startDashboard(t, join(parent, 'runs'))
  const headers = { cookie: await login(page) }
  const list = async () => JSON.parse((await send(page, '/api/runs', { headers })).body).runs.length
  t.is(await list(), 0)
  const dir = writeSampleRun(join(parent, 'runs'), { name: 'photos' })
  await new Promise((resolve) => setTimeout(resolve, 1100))
  t.is(await list(), 1)
  t.true(readFileSync(join(dir, 'config.json'), 'utf8').length > 0)
})
