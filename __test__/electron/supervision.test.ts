/** Tests of the trainer with scripted training processes, for what real ones do rarely. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate, setTimeout } from 'node:timers/promises'
import test from 'ava'
import type { ResidualError } from 'residual'
import { createTrainer, type Trainer, type TrainerMessage } from 'residual/electron'
import { script } from '../child.js'
import { tempFolder } from '../tiny.js'
import { type ScriptedChild, startScripted } from './scripted-host.js'

const reachesStatus = (trainer: Trainer, status: string) =>
  new Promise<void>((resolve) => {
    trainer.subscribe((message) => {
      if (message.type === 'status' && message.status === status) resolve()
    })
  })

test('a process that cannot be started fails the run or the call, and the trainer goes on', async (t) => {
  let numStarts = 0
  const fork = () => {
    numStarts++
    throw new Error('utilityProcess cannot be created before app is ready')
  }
  const options = { electron: { utilityProcess: { fork } }, restartDelay: 1, maxRestarts: 2 }
  const trainer = createTrainer(options)
  const error = await t.throwsAsync<ResidualError>(trainer.train({}), {
    code: 'E_PROCESS',
    message: /ended 3 times without a new checkpoint, last by a failed start$/,
  })
  t.regex(error.hint, /before app is ready$/)
  t.is(numStarts, 3)
  t.is(trainer.status, 'failed')
  await t.throwsAsync(trainer.predict('run', 'cat.jpg'), {
    code: 'E_PROCESS',
    message: /by a failed start/,
  })
  await trainer.close()
})

test('a fatal error of V8 in the process is not thrown in the main process', async (t) => {
  const { trainer, children } = startScripted(t)
  const ended = trainer.train({})
  await setImmediate()
  const [child] = children as [ScriptedChild]
  t.notThrows(() => child.emit('error', 'FatalError', 'v8::ToLocalChecked', '{}'))
  child.end(1)
  await reachesStatus(trainer, 'restarting')
  trainer.stop()
  await t.throwsAsync(ended, { code: 'E_ABORTED' })
})

test('subscribers see the error of a run that is stopped during a restart', async (t) => {
  const { trainer, children } = startScripted(t, { restartDelay: 30_000 })
  const messages: TrainerMessage[] = []
  trainer.subscribe((message) => messages.push(message))
  const ended = trainer.train({})
  await setImmediate()
  children[0]?.end(1)
  await reachesStatus(trainer, 'restarting')
  trainer.stop()
  await t.throwsAsync(ended, { code: 'E_ABORTED' })
  t.deepEqual(
    messages
      .slice(-2)
      .map((message) => (message.type === 'status' ? message.status : message.type)),
    ['stopped', 'failed'],
  )
  t.like(messages.at(-1), { error: trainer.snapshot.error })
})

test('a run whose process ends before its start event resumes only a folder of its own', async (t) => {
  const writeRun = (out: string, checkpoint?: string) => {
    mkdirSync(join(out, 'checkpoints'), { recursive: true })
    writeFileSync(join(out, 'config.json'), '{}')
    if (checkpoint !== undefined) writeFileSync(join(out, 'checkpoints', checkpoint), '')
  }
  const none = () => {}
  for (const [before, after, isResumed] of [
    [none, none, false],
    [none, writeRun, true],
    [writeRun, none, false],
    [none, (out: string) => writeRun(out, 'last.safetensors'), false],
  ] as const) {
    const out = join(tempFolder(t), 'run')
    const config = { data: '/photos', seed: 3, out }
    before(out)
    const { trainer, children } = startScripted(t)
    void trainer.train(config).catch(() => {})
    await setImmediate()
    after(out)
    children[0]?.end(1)
    await reachesStatus(trainer, 'restarting')
    await reachesStatus(trainer, 'starting')
    await setTimeout(20)
    const expected = isResumed ? { ...config, resume: out } : config
    t.deepEqual(children[1]?.requests[0]?.config, expected)
  }
})

test('an infinite time limit of close() waits for the run', async (t) => {
  const { trainer, children } = startScripted(t, { closeTimeout: Number.POSITIVE_INFINITY })
  const ended = trainer.train({})
  await setImmediate()
  const [child] = children as [ScriptedChild]
  const closed = trainer.close()
  await setTimeout(50)
  t.deepEqual(
    child.requests.map(({ type }) => type),
    ['train', 'stop'],
  )
  child.send({ type: 'result', result: { stopReason: 'stopped' } })
  t.is((await ended).stopReason, 'stopped')
  await closed
})

test('a snapshot has at most 1000 steps, at equal distances', async (t) => {
  const { trainer, children } = startScripted(t)
  void trainer.train({}).catch(() => {})
  await setImmediate()
  for (let step = 1; step <= 5000; step++) {
    children[0]?.send({ type: 'event', event: { type: 'step', step } })
    const { steps } = trainer.snapshot
    if (steps.length > 1000) t.fail(`${steps.length} steps`)
  }
  const { steps } = trainer.snapshot
  t.true(steps.length >= 500)
  const distances = steps.slice(1).map(({ step }, index) => step - (steps[index]?.step as number))
  t.deepEqual([...new Set(distances)], [8])
})

test('intervals that a timer cannot wait for are refused', (t) => {
  for (const heartbeatInterval of [Number.POSITIVE_INFINITY, 2 ** 31, 9, Number.NaN]) {
    t.throws(() => createTrainer({ heartbeatInterval }), { code: 'E_USAGE' })
  }
  t.throws(() => createTrainer({ constructor: 1 } as object), { code: 'E_UNKNOWN_KEY' })
})

test('an error of a subscriber is uncaught, and stops neither the trainer nor other subscribers', async (t) => {
  const { status, stdout } = await script(`
    import { createTrainer } from 'residual/electron'
    process.on('uncaughtException', ({ message }) => console.log('uncaught: ' + message))
    const fork = () => { throw new Error('no process') }
    const trainer = createTrainer({ electron: { utilityProcess: { fork } }, maxRestarts: 0 })
    trainer.subscribe(({ type }) => { if (type === 'status') throw new Error('a bug') })
    trainer.subscribe(({ type }) => { if (type === 'failed') console.log('failed') })
    await trainer.train({}).catch(({ code }) => console.log(code))
    await trainer.close()
  `)
  t.is(status, 0)
  t.deepEqual([...new Set(stdout.trim().split('\n'))].sort(), [
    'E_PROCESS',
    'failed',
    'uncaught: a bug',
  ])
})
