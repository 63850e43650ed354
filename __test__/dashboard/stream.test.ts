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
import { makeRun } from '../report/sample-run.js'
import { folder } from '../tiny.js'
import { ask, listen, login, served } from './client.js'

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

/** A run whose log holds so many steps, and who is asked of it. */
async function following(t: Parameters<typeof served>[0], steps: number) {
  const parent = folder(t)
  const dir = makeRun(parent, { name: 'photos' })
  const log = join(dir, 'metrics.jsonl')
  writeFileSync(log, Array.from({ length: steps }, (_, index) => line(index + 1)).join(''))
  const page = await served(t, parent)
  const headers = { cookie: await login(page) }
  const follow = (more: Record<string, string> = {}, query = '') =>
    listen(t, page, `/api/stream?run=photos${query}`, { ...headers, ...more })
  return { parent, dir, log, page, headers, follow }
}

test('what is there comes first, and then each line as it is written', async (t) => {
  const { log, follow } = await following(t, 3)
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

test('a line that is still being written waits for its end', async (t) => {
  const { log, follow } = await following(t, 1)
  const stream = await follow()
  await stream.next('caught-up')
  const whole = line(2)
  appendFileSync(log, whole.slice(0, 40))
  await new Promise((resolve) => setTimeout(resolve, 700))
  appendFileSync(log, whole.slice(40))
  t.deepEqual((await stream.next('points')).data.steps.step, [2])
})

test('whoever connects again gets what is new since, and nothing twice', async (t) => {
  const { log, follow } = await following(t, 5)
  const first = await follow()
  const { id } = await first.next('points')
  first.close()
  appendFileSync(log, line(6))
  const again = await follow({ 'last-event-id': id })
  const { data } = await again.next('points')
  t.deepEqual([data.reset, data.steps.step], [false, [6]])
  // A page that closed the connection itself says it in the address.
  const asked = await follow({}, `&from=${id}`)
  t.deepEqual((await asked.next('points')).data.steps.step, [6])
})

test('a log that was cut back by a resumed run is read anew, though it has grown past where it was', async (t) => {
  const { log, follow } = await following(t, 5)
  const live = await follow()
  const { id } = await live.next('points')
  await live.next('caught-up')
  const twoLines = line(1).length + line(2).length
  truncateSync(log, twoLines)
  appendFileSync(log, [3.5, 4.5, 5.5, 6.5, 7.5].map((step) => line(2 * step)).join(''))
  t.true(statSync(log).size > Number(id.split('-')[0]))
  const anew = [1, 2, 7, 9, 11, 13, 15]
  const seen = await live.next('points')
  t.deepEqual([seen.data.reset, seen.data.steps.step], [true, anew])
  const again = await follow({ 'last-event-id': id })
  const { data } = await again.next('points')
  t.deepEqual([data.reset, data.steps.step], [true, anew])
})

test('a log that was cut back and not gone on with yet is shorter on the page too', async (t) => {
  const { log, follow } = await following(t, 5)
  const live = await follow()
  await live.next('caught-up')
  truncateSync(log, line(1).length)
  const { data } = await live.next('points')
  t.deepEqual([data.reset, data.steps.step], [true, [1]])
})

test('what cannot be understood is passed over: strange lines, marks, and a newer version', async (t) => {
  const { log, follow } = await following(t, 0)
  const strange = [
    ...['', 'not JSON', '[1]', 'null', '{"type":"newer","step":1}', '{"type":"step"}'],
    '{"type":"step","step":-1}',
    '{"type":"step","step":7,"loss":null,"lr":"high","imagesPerSecond":1e999}',
    '{"type":"epoch","epoch":1,"step":7,"train":null,"val":7}',
    '{"type":"start","data":7}',
    '{"type":"warning","message":"broken","hint":"mend it","code":"E_IMAGE"}',
    '\u0000\u0000',
  ]
  writeFileSync(log, `${strange.join('\n')}\n`)
  for (const mark of ['', 'nonsense', '-1-0', '99999999999999999999-1', '1-1,2-2', '3-0']) {
    const stream = await follow({ 'last-event-id': mark })
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

test('a line of megabytes that never ends costs no memory and no other line', async (t) => {
  const { log, follow } = await following(t, 0)
  writeFileSync(log, `${line(1)}${'x'.repeat(20 * 2 ** 20)}\n${line(2)}`)
  const stream = await follow()
  const steps: number[] = []
  while (steps.length < 2) steps.push(...(await stream.next('points')).data.steps.step)
  t.deepEqual(steps, [1, 2])
})

test('several runs come through one stream, each with its own place', async (t) => {
  const { parent, page, headers } = await following(t, 2)
  makeRun(parent, { name: 'other', epochs: 1, stepsPerEpoch: 3 })
  const path = '/api/stream?run=other&run=photos'
  const stream = await listen(t, page, path, headers)
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
  t.is((await ask(page, many, { headers })).status, 400)
  t.is((await ask(page, '/api/stream', { headers })).status, 400)
})

test('of 500 idle streams so many are fed as can be, the others are told, and none is left behind', async (t) => {
  const { log, page, headers, follow } = await following(t, 1)
  const streams = await Promise.all(Array.from({ length: 500 }, () => follow()))
  const fed = streams.filter(({ status }) => status === 200)
  const refused = streams.filter(({ status }) => status === 503)
  t.is(fed.length, 64)
  t.is(refused.length, 436)
  await Promise.all(refused.map(({ ended }) => ended))
  t.regex(refused[0]?.body ?? '', /open 64 times already.*Close it where it is not needed/)
  appendFileSync(log, line(2))
  await Promise.all(
    fed.map(async (stream) => {
      while (!(await stream.next('points')).data.steps.step.includes(2));
    }),
  )
  // It still answers, and there is room again as soon as they are gone.
  t.is((await ask(page, '/api/runs', { headers })).status, 200)
  for (const stream of fed) stream.close()
  let last = await follow()
  for (let tries = 0; last.status === 503 && tries < 50; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    last = await follow()
  }
  t.is(last.status, 200)
})

test('a server that closes sends the end of the log first, and says goodbye', async (t) => {
  const { log, page, follow } = await following(t, 1)
  const stream = await follow()
  await stream.next('caught-up')
  appendFileSync(log, line(2))
  await page.close()
  t.deepEqual((await stream.next('points')).data.steps.step, [2])
  await stream.next('closed')
  await stream.ended
  await t.throwsAsync(follow(), { code: 'ECONNREFUSED' })
})

test('the list has runs of every state and version, those in folders of folders too', async (t) => {
  const parent = folder(t)
  makeRun(parent, { name: '鸟类与花', version: '99.0.0' })
  makeRun(join(parent, 'experiment'), { name: 'طيور', finished: false })
  makeRun(parent, { name: '<script>alert(1)<' })
  mkdirSync(join(parent, 'empty'))
  mkdirSync(join(parent, 'project'))
  writeFileSync(join(parent, 'project', 'config.json'), '{ "compilerOptions": {} }')
  mkdirSync(join(parent, 'torn'))
  writeFileSync(join(parent, 'torn', 'config.json'), '{ "data": {')
  const page = await served(t, parent)
  const { body } = await ask(page, '/api/runs', { headers: { cookie: await login(page) } })
  const { runs, folder: shown } = JSON.parse(body)
  t.is(shown, parent)
  const byId = Object.fromEntries(runs.map((run: { id: string }) => [run.id, run]))
  t.deepEqual(Object.keys(byId).sort(), ['<script>alert(1)<', 'experiment/طيور', '鸟类与花'].sort())
  t.is(byId['experiment/طيور'].state, 'interrupted')
  t.is(byId['<script>alert(1)<'].state, 'ended')
  t.is(byId['<script>alert(1)<'].testAccuracy, 0.9)
  t.regex(byId.鸟类与花.remark, /newer version, 99\.0\.0/)
})

test('a runs folder that is not there yet has no runs, and shows them once it has', async (t) => {
  const parent = folder(t)
  const page = await served(t, join(parent, 'runs'))
  const headers = { cookie: await login(page) }
  const list = async () => JSON.parse((await ask(page, '/api/runs', { headers })).body).runs.length
  t.is(await list(), 0)
  const dir = makeRun(join(parent, 'runs'), { name: 'photos' })
  await new Promise((resolve) => setTimeout(resolve, 1100))
  t.is(await list(), 1)
  t.true(readFileSync(join(dir, 'config.json'), 'utf8').length > 0)
})
