/** Tests of the trainer, under both interfaces that start its process. */
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { AbortError, predict, ResidualError, type TrainConfig, train } from 'residual'
import {
  createTrainer,
  type Trainer,
  type TrainerMessage,
  type TrainerOptions,
} from 'residual/electron'
import { pixels, png, tempFolder, tinyConfig } from '../tiny.js'
import { fakeElectron, forkOptions, utilityProcess } from './fake-electron.js'

const INTERFACES: [name: string, options: TrainerOptions][] = [
  ['child_process.fork', {}],
  ['utilityProcess', { electron: { utilityProcess } }],
]

/** Creates a trainer that restarts quickly, with all its messages. */
function startTrainer(t: ExecutionContext, options: TrainerOptions = {}) {
  const trainer = createTrainer({ restartDelay: 20, ...options })
  t.teardown(() => trainer.close())
  const messages: TrainerMessage[] = []
  trainer.subscribe((message) => messages.push(structuredClone(message)))
  return { trainer, messages }
}

/** Resolves with the first future message that matches. */
function waitFor<M extends TrainerMessage>(
  trainer: Trainer,
  matches: (message: TrainerMessage) => message is M,
): Promise<M>
function waitFor(
  trainer: Trainer,
  matches: (message: TrainerMessage) => boolean,
): Promise<TrainerMessage>
function waitFor(trainer: Trainer, matches: (message: TrainerMessage) => boolean) {
  return new Promise<TrainerMessage>((resolve) => {
    const unsubscribe = trainer.subscribe((message) => {
      if (message.type === 'snapshot' || !matches(message)) return
      setImmediate(unsubscribe)
      resolve(message)
    })
  })
}

const isStatus = (status: string) => (message: TrainerMessage) =>
  message.type === 'status' && message.status === status

const isLastCheckpoint = (message: TrainerMessage) =>
  message.type === 'checkpoint' && message.kind === 'last'

/** Statuses in the order of their first appearance, without repetitions. */
const statusesOf = (messages: readonly TrainerMessage[]) =>
  messages
    .flatMap((message) => (message.type === 'status' ? [message.status] : []))
    .filter((status, index, all) => status !== all[index - 1])

/** Returns the tensors of the last checkpoint: the bytes after the header of the file. */
function readTensors(run: string): Buffer {
  const bytes = readFileSync(join(run, 'checkpoints', 'last.safetensors'))
  return bytes.subarray(8 + Number(bytes.readBigUInt64LE(0)))
}

/** A run of 8 x 8 images with plain8 that is long enough to be killed. */
const longConfig = (t: ExecutionContext, config: TrainConfig = {}) =>
  tinyConfig(t, { model: 'plain8', epochs: 40, log: { everySteps: 1 }, ...config })

for (const [name, options] of INTERFACES) {
  test.serial(`${name}: trains, reports events and predicts`, async (t) => {
    const { trainer, messages } = startTrainer(t, options)
    t.is(trainer.status, 'idle')
    const result = await trainer.train(tinyConfig(t, { model: 'plain8' }), { report: true })
    t.is(result.stopReason, 'completed')
    t.true(existsSync(result.report as string))
    t.is(trainer.status, 'ended')
    const types = new Set(messages.map(({ type }) => type))
    t.deepEqual([...types].sort(), [
      'checkpoint',
      'end',
      'epoch',
      'snapshot',
      'start',
      'status',
      'step',
    ])
    const { dir, epochs, steps, start, checkpoint } = trainer.snapshot
    t.is(dir, result.dir)
    t.is(epochs.length, 2)
    t.is(steps.at(-1)?.step, result.steps)
    t.is(start?.data.classes.length, 3)
    t.is(checkpoint?.path, result.last)

    const image = png(pixels(1, 0))
    const expected = await predict(result.dir, image)
    t.deepEqual(await trainer.predict(result.dir, new Uint8Array(image)), expected)
    const two = await trainer.predict(result.dir, [image, image], { top: 1 })
    t.deepEqual(
      two.map(({ label }) => label),
      [expected.label, expected.label],
    )

    const file = join(tempFolder(t), 'model.onnx')
    await trainer.exportModel(result.dir, file, { softmax: true })
    t.true(existsSync(file))
    await trainer.close()
    t.is(trainer.snapshot.process.pid, null)
  })

  test.serial(
    `${name}: a host killed in a step is restarted, and ends with the same bits`,
    async (t) => {
      const config = longConfig(t, { epochs: 20, checkpoint: { everySteps: 4 } })
      const undisturbed = await train({ ...config, out: `${config.out}-undisturbed` })
      const { trainer, messages } = startTrainer(t, options)
      const ended = trainer.train(config)
      for (const epoch of [2, 5]) {
        await waitFor(trainer, (message) => message.type === 'step' && message.epoch >= epoch)
        const { pid } = trainer.snapshot.process
        process.kill(pid as number, 'SIGKILL')
        await waitFor(trainer, isStatus('restarting'))
        const lost = trainer.snapshot
        t.is(lost.status, 'restarting')
        t.regex(lost.process.lastExit as string, /SIGKILL|exit code 9/)
        await waitFor(trainer, (message) => message.type === 'start')
        const resumed = trainer.snapshot
        t.not(resumed.process.pid, pid)
        // At most the steps since the last checkpoint are lost.
        const startStep = resumed.start?.startStep as number
        t.true(startStep >= (lost.checkpoint?.step ?? 0), `${startStep}`)
        t.true((lost.steps.at(-1)?.step as number) - startStep <= 4)
        t.true(resumed.steps.every(({ step }) => step <= startStep))
      }
      const result = await ended
      t.is(result.stopReason, 'completed')
      t.is(trainer.snapshot.process.restarts, 2)
      t.deepEqual(statusesOf(messages).slice(0, 5), [
        'starting',
        'running',
        'restarting',
        'starting',
        'running',
      ])
      t.true(readTensors(result.dir).equals(readTensors(undisturbed.dir)))
      // Subscribers that replace their state by each snapshot see each epoch once.
      t.deepEqual(
        trainer.snapshot.epochs.map(({ epoch }) => epoch),
        Array.from({ length: 20 }, (_, index) => index + 1),
      )
    },
  )

  test.serial(`${name}: a paused run is still paused after the restart of its host`, async (t) => {
    const { trainer } = startTrainer(t, options)
    const ended = trainer.train(longConfig(t))
    await waitFor(trainer, isLastCheckpoint)
    trainer.pause()
    t.is(trainer.status, 'paused')
    process.kill(trainer.snapshot.process.pid as number, 'SIGKILL')
    await waitFor(trainer, isStatus('paused'))
    const { step } = trainer.snapshot.steps.at(-1) ?? { step: 0 }
    await new Promise((resolve) => setTimeout(resolve, 300))
    // The run may finish the step during which it is paused.
    t.true((trainer.snapshot.steps.at(-1)?.step ?? 0) <= step + 1)
    trainer.resume()
    await waitFor(trainer, (message) => message.type === 'step' && message.step > step + 1)
    trainer.stop()
    t.is(trainer.status, 'stopping')
    t.is((await ended).stopReason, 'stopped')
    t.is(trainer.status, 'stopped')
  })

  test.serial(`${name}: a silent host is reported, killed and restarted`, async (t) => {
    const timeouts = { heartbeatInterval: 50, silenceTimeout: 800, killTimeout: 2000 }
    const { trainer, messages } = startTrainer(t, { ...options, ...timeouts })
    const ended = trainer.train(longConfig(t))
    await waitFor(trainer, (message) => message.type === 'step')
    const { pid } = trainer.snapshot.process
    process.kill(pid as number, 'SIGSTOP')
    await waitFor(trainer, isStatus('unresponsive'))
    process.kill(pid as number, 'SIGCONT')
    await waitFor(trainer, isStatus('running'))
    t.is(trainer.snapshot.process.pid, pid)
    process.kill(pid as number, 'SIGSTOP')
    await waitFor(trainer, isStatus('restarting'))
    await waitFor(trainer, (message) => message.type === 'start')
    t.not(trainer.snapshot.process.pid, pid)
    trainer.stop()
    await ended
    t.deepEqual(statusesOf(messages).slice(0, 6), [
      'starting',
      'running',
      'unresponsive',
      'running',
      'unresponsive',
      'restarting',
    ])
  })

  test.serial(`${name}: errors keep their code, place and hint`, async (t) => {
    const { trainer, messages } = startTrainer(t, options)
    const wrong = { data: '/nowhere' }
    const direct = await t.throwsAsync<ResidualError>(train(wrong) as Promise<unknown>)
    const error = await t.throwsAsync<ResidualError>(trainer.train(wrong), {
      instanceOf: ResidualError,
      code: 'E_DATA_NOT_FOUND',
    })
    t.deepEqual([error.message, error.at, error.hint], [direct.message, direct.at, direct.hint])
    t.is(trainer.status, 'failed')
    const failed = messages.find((message) => message.type === 'failed')
    t.like(failed, { error: { code: 'E_DATA_NOT_FOUND', at: error.at, hint: error.hint } })
    await t.throwsAsync(trainer.predict('/nowhere', 'cat.jpg'), { code: 'E_CHECKPOINT' })
    await t.throwsAsync(trainer.train({ data: (() => {}) as never }), { code: 'E_USAGE' })
  })

  test.serial(`${name}: close() saves the run`, async (t) => {
    const { trainer } = startTrainer(t, options)
    const ended = trainer.train(longConfig(t))
    await waitFor(trainer, (message) => message.type === 'step' && message.step > 2)
    await trainer.close()
    const { stopReason, steps, last } = await ended
    t.is(stopReason, 'stopped')
    t.true(steps > 2)
    t.true(existsSync(last))
    await t.throwsAsync(trainer.train({}), { code: 'E_CLOSED' })
    const { trainer: next } = startTrainer(t, options)
    await next.openRun(last.replace(/[\\/]checkpoints.*/, ''))
    t.is(next.status, 'stopped')
    t.not(next.snapshot.start, null)
    const resumed = next.train({ resume: next.snapshot.dir as string })
    const start = await waitFor(next, (message) => message.type === 'start')
    t.is(start.type === 'start' && start.startStep, steps)
    next.stop()
    await resumed
  })
}

test.serial('a run fails after too many restarts without a new checkpoint', async (t) => {
  const { trainer, messages } = startTrainer(t, { maxRestarts: 1 })
  const ended = trainer.train(longConfig(t, { epochs: 4000, checkpoint: { everySteps: 20_000 } }))
  trainer.subscribe((message) => {
    if (message.type !== 'start') return
    const { pid } = trainer.snapshot.process
    process.kill(pid as number, 'SIGKILL')
  })
  const error = await t.throwsAsync<ResidualError>(ended, { code: 'E_PROCESS' })
  t.is(
    error.message,
    'the training process ended 2 times without a new checkpoint, last by signal SIGKILL',
  )
  t.is(trainer.status, 'failed')
  t.like(
    messages.find(({ type }) => type === 'failed'),
    { error: { code: 'E_PROCESS' } },
  )
})

test.serial('a host killed before its start event is restarted in the same folder', async (t) => {
  const config = tinyConfig(t, { model: 'plain8' })
  // The folder of a run that was killed before its first checkpoint.
  const { dir } = await train({ ...config, out: `${config.out}-killed`, epochs: 2 })
  rmSync(join(dir, 'checkpoints'), { recursive: true })
  rmSync(join(dir, 'result.json'))
  const { trainer } = startTrainer(t, { restartDelay: 200 })
  const ended = trainer.train(config)
  process.kill(trainer.snapshot.process.pid as number, 'SIGKILL')
  renameSync(dir, config.out as string)
  const result = await ended
  t.is(result.stopReason, 'completed')
  t.is(result.dir, config.out as string)
  t.is(trainer.snapshot.process.restarts, 1)
})

test.serial('stop() ends a run whose host is being restarted', async (t) => {
  const { trainer } = startTrainer(t, { restartDelay: 30_000 })
  const ended = trainer.train(longConfig(t))
  await waitFor(trainer, isLastCheckpoint)
  process.kill(trainer.snapshot.process.pid as number, 'SIGKILL')
  await waitFor(trainer, isStatus('restarting'))
  trainer.stop()
  const error = await t.throwsAsync<AbortError>(ended, { instanceOf: AbortError })
  t.true(existsSync(error.checkpoint as string))
  t.is(trainer.status, 'stopped')
})

test.serial(
  'calls of a host that ends are rejected, and the next call starts another host',
  async (t) => {
    const { trainer } = startTrainer(t)
    const { dir } = await trainer.train(tinyConfig(t, { model: 'plain8' }))
    const pid = trainer.snapshot.process.pid as number
    process.kill(pid, 'SIGSTOP')
    const call = trainer.predict(dir, png(pixels(0, 0)))
    process.kill(pid, 'SIGKILL')
    await t.throwsAsync(call, { code: 'E_PROCESS' })
    t.is(typeof (await trainer.predict(dir, png(pixels(0, 0)))).label, 'string')
  },
)

test.serial('one run at a time', async (t) => {
  const { trainer } = startTrainer(t)
  const ended = trainer.train(longConfig(t))
  await t.throwsAsync(trainer.train(longConfig(t)), { code: 'E_USAGE', message: /already/ })
  await waitFor(trainer, (message) => message.type === 'step')
  trainer.stop()
  t.is((await ended).stopReason, 'stopped')
})

test.serial('a quit waits until the run is saved', async (t) => {
  const electron = fakeElectron()
  const { trainer } = startTrainer(t, { electron })
  const ended = trainer.train(longConfig(t))
  await waitFor(trainer, (message) => message.type === 'step' && message.step > 2)
  electron.app.quit()
  t.false(electron.app.hasQuit)
  t.is(trainer.status, 'stopping')
  t.is((await ended).stopReason, 'stopped')
  await new Promise((resolve) => electron.app.once('quit', resolve))
  t.true(electron.app.hasQuit)
  t.is(trainer.snapshot.process.pid, null)
})

test.serial('a shutdown of the system is not delayed', async (t) => {
  const electron = fakeElectron()
  const { trainer } = startTrainer(t, { electron })
  const ended = trainer.train(longConfig(t))
  await waitFor(trainer, (message) => message.type === 'step')
  electron.powerMonitor.emit('shutdown')
  electron.app.quit()
  t.true(electron.app.hasQuit)
  t.is((await ended).stopReason, 'stopped')
})

test.serial('a quit does not wait longer than its time limit', async (t) => {
  const electron = fakeElectron()
  const { trainer } = startTrainer(t, { electron, closeTimeout: 200 })
  const ended = trainer.train(longConfig(t))
  await waitFor(trainer, isLastCheckpoint)
  process.kill(trainer.snapshot.process.pid as number, 'SIGSTOP')
  electron.app.quit()
  await new Promise((resolve) => electron.app.once('quit', resolve))
  await t.throwsAsync(ended, { instanceOf: AbortError })
})

test.serial('the utility process is named and its stderr is captured', async (t) => {
  const { trainer } = startTrainer(t, { electron: { utilityProcess } })
  await t.throwsAsync(trainer.predict('/nowhere', 'cat.jpg'), { code: 'E_CHECKPOINT' })
  t.like(forkOptions.at(-1), { serviceName: 'Training', stdio: ['ignore', 'inherit', 'pipe'] })
})

test.serial('options are checked', (t) => {
  const create = (options: object) => () => createTrainer(options as TrainerOptions)
  t.throws(create({ heartbeat: 1 }), { code: 'E_UNKNOWN_KEY' })
  t.throws(create({ maxRestarts: '3' }), { code: 'E_USAGE' })
  t.throws(create({ electron: {} }), { code: 'E_USAGE' })
  t.throws(create({ heartbeatInterval: 0 }), { code: 'E_USAGE' })
})
