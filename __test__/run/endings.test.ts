import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import { AbortError, loadModel, ResidualError, type RunEvent, train } from 'residual'
import { script } from '../child.js'
import { arraySplit, pixels, tinyConfig } from '../tiny.js'

/** More epochs than any test trains. */
const LONG = { epochs: 100_000 }

test("stop() and a hook's 'stop' end the run with a result and a checkpoint", async (t) => {
  const hooks = [
    { onEpoch: () => 'stop' as const },
    { onEpoch: async () => 'stop' as const },
    { onStep: () => 'stop' as const },
    { onCheckpoint: () => 'stop' as const },
  ]
  for (const hook of hooks) {
    const result = await train(tinyConfig(t, LONG), hook)
    t.is(result.stopReason, 'stopped')
    t.true(existsSync(result.last))
  }
  const run = train(tinyConfig(t, LONG), { onStep: () => run.stop() })
  t.is((await run).stopReason, 'stopped')
  run.stop() // has no effect after the end
})

test('a stopped run does not wait for a pending evaluation', async (t) => {
  const { dir } = await train(tinyConfig(t, { epochs: 1 }))
  await using model = await loadModel(dir)
  const run = train(tinyConfig(t, LONG))
  for await (const event of run) if (event.type === 'step') break
  const ended: string[] = []
  const evaluating = model
    .evaluate({ batchSize: 1, split: 'train' }, { arrays: { train: arraySplit(5000) } })
    .finally(() => ended.push('evaluation'))
  await setTimeout(100)
  run.stop()
  t.is((await run).stopReason, 'stopped')
  ended.push('run')
  t.is((await evaluating).count, 5000)
  t.deepEqual(ended, ['run', 'evaluation'])
})

test('an evaluation awaited in a hook completes although the run is stopping', async (t) => {
  const { dir } = await train(tinyConfig(t, { epochs: 1 }))
  await using model = await loadModel(dir)
  const counts: number[] = []
  const run = train(tinyConfig(t, LONG), {
    async onEpoch() {
      run.stop()
      const { count } = await model.evaluate(
        { split: 'train' },
        { arrays: { train: arraySplit(30) } },
      )
      const image = { data: pixels(0), width: 8, height: 8, channels: 1 } as const
      const predictions = await model.predict([image])
      counts.push(count, predictions.length)
    },
  })
  t.is((await run).stopReason, 'stopped')
  t.deepEqual(counts, [30, 1])
})

test('stopping a paused run ends it', async (t) => {
  const run = train(tinyConfig(t, LONG), { onEpoch: () => run.pause() })
  for await (const event of run) if (event.type === 'epoch') break
  t.is(run.state, 'paused')
  run.stop()
  t.is((await run).stopReason, 'stopped')
})

test('an aborted run rejects with an AbortError that contains the checkpoint', async (t) => {
  const controller = new AbortController()
  const reason = new Error('the user closed the window')
  const events: RunEvent[] = []
  const run = train(tinyConfig(t, LONG), {
    signal: controller.signal,
    onStep: ({ step }) => void (step >= 3 && controller.abort(reason)),
  })
  const iterating = t.throwsAsync(async () => {
    for await (const event of run) events.push(event)
  })
  const error = await t.throwsAsync(async () => await run, { instanceOf: AbortError })
  t.is(error?.name, 'AbortError')
  t.is(error?.code, 'E_ABORTED')
  t.is(error?.cause, reason)
  t.true(existsSync(error?.checkpoint ?? ''))
  t.is(await iterating, error)
  t.is(run.result, undefined)
  t.true(events.some((event) => event.type === 'checkpoint'))
})

test('an abort ends a run whose onEpoch never settles', async (t) => {
  const controller = new AbortController()
  const run = train(tinyConfig(t, LONG), {
    signal: controller.signal,
    onEpoch() {
      setTimeout(50).then(() => controller.abort())
      return new Promise(() => {})
    },
  })
  await t.throwsAsync(async () => await run, { name: 'AbortError' })
})

test('an already aborted signal writes nothing', async (t) => {
  const config = tinyConfig(t)
  const run = train(config, { signal: AbortSignal.abort() })
  await t.throwsAsync(async () => await run, { name: 'AbortError' })
  t.false(existsSync(config.out as string))
})

test('stopping a run before its start writes nothing', async (t) => {
  const first = train(tinyConfig(t, LONG))
  const config = tinyConfig(t)
  const second = train(config)
  second.stop()
  const error = await t.throwsAsync(async () => await second, { instanceOf: AbortError })
  t.is(error?.checkpoint, undefined)
  t.false(existsSync(config.out as string))
  first.stop()
  await first.then(
    () => t.pass(),
    () => t.pass(),
  )
})

for (const [name, hook] of Object.entries({
  'an exception': (error: unknown) => () => {
    throw error
  },
  'a rejection': (error: unknown) => () => Promise.reject(error),
})) {
  for (const event of ['onStart', 'onStep', 'onEpoch', 'onCheckpoint', 'onEnd'] as const) {
    test(`${name} in ${event} saves a checkpoint and rejects the run`, async (t) => {
      const thrown = new RangeError('mine')
      const config = tinyConfig(t, event === 'onEnd' ? {} : LONG)
      const run = train(config, { [event]: hook(thrown) })
      const error = await t.throwsAsync(async () => await run)
      t.is(error, thrown)
      t.true(readdirSync(join(config.out as string, 'checkpoints')).includes('last.safetensors'))
    })
  }
}

test('a hook may throw any value', async (t) => {
  const run = train(tinyConfig(t, LONG), {
    onStep() {
      throw undefined
    },
  })
  const caught = await run.then(
    () => 'nothing',
    (error: unknown) => error,
  )
  t.is(caught, undefined)
})

test('a failed run that is not awaited does not crash the process', async (t) => {
  const { status, stdout, stderr } = await script(`
    import { train } from 'residual'
    const run = train({ data: './there-is-no-such-folder' })
    try { for await (const event of run); } catch (error) { console.log(error.code) }
    train({ optimizer: { lr: NaN } })
  `)
  t.is(stdout, 'E_DATA_NOT_FOUND\n')
  t.is(stderr, '')
  t.is(status, 0)
})

test('a run keeps the process alive until it ends', async (t) => {
  const config = tinyConfig(t)
  const { status, stderr } = await script(`
    import { train } from 'residual'
    train(${JSON.stringify(config)})
  `)
  t.is(stderr, '')
  t.is(status, 0)
  t.true(existsSync(join(config.out as string, 'result.json')))
})

test('process.exit() during a step saves a checkpoint and does not change the exit status', async (t) => {
  const config = tinyConfig(t, LONG)
  const { status, signal, stderr } = await script(`
    import { train } from 'residual'
    train(${JSON.stringify(config)}, { onStep({ step }) { if (step > 3) process.exit(7) } })
  `)
  t.is(stderr, '')
  t.is(signal, null)
  t.is(status, 7)
  t.true(existsSync(join(config.out as string, 'checkpoints', 'last.safetensors')))
})

test('an uncaught error ends the process as usual', async (t) => {
  const config = tinyConfig(t, LONG)
  const { status, signal, stderr } = await script(`
    import { train } from 'residual'
    train(${JSON.stringify(config)}, { onEpoch() { setTimeout(() => { throw new Error('mine') }) } })
  `)
  t.regex(stderr, /Error: mine/)
  t.is(signal, null)
  t.is(status, 1)
})

test('an unreferenced run saves a checkpoint when the process exits', async (t) => {
  const config = tinyConfig(t, LONG)
  const { status, signal, stderr } = await script(`
    import { train } from 'residual'
    const run = train(${JSON.stringify(config)}, { onStep() { run.unref() } })
  `)
  t.is(stderr, '')
  t.is(signal, null)
  t.is(status, 0)
  t.true(existsSync(join(config.out as string, 'checkpoints', 'last.safetensors')))
})

test('queued runs train after a finished, a stopped and a failed run', async (t) => {
  const configs = Array.from({ length: 4 }, () => tinyConfig(t, { epochs: 1 }))
  const runs = [
    train(configs[0] ?? {}),
    train(configs[1] ?? {}, { onStep: () => 'stop' }),
    train({ ...configs[2], batchSize: 0 }),
    train(configs[3] ?? {}),
  ]
  const ends = await Promise.allSettled(runs)
  t.deepEqual(
    ends.map((end) => (end.status === 'fulfilled' ? end.value.stopReason : end.reason.code)),
    ['completed', 'stopped', 'E_CONFIG', 'completed'],
  )
  t.true(ends[2]?.status === 'rejected' && ends[2].reason instanceof ResidualError)
})

test('the requested report exists when the end event is emitted', async (t) => {
  const events: RunEvent[] = []
  const config = tinyConfig(t, { epochs: 1 })
  const run = train(config, {
    report: true,
    onEnd({ result }) {
      t.true(existsSync(result.report ?? ''))
      t.is(run.state, 'running')
    },
  })
  for await (const event of run) events.push(event)
  const result = await run
  t.is(result.report, join(result.dir, 'report.html'))
  t.deepEqual(events.at(-1), { type: 'end', result })
  t.plan(4)
})

test('writes no report by default or after a stop', async (t) => {
  const completed = await train(tinyConfig(t, { epochs: 1 }))
  t.false('report' in completed)
  t.false(existsSync(join(completed.dir, 'report.html')))
  const stopped = await train(tinyConfig(t, LONG), { report: true, onEpoch: () => 'stop' })
  t.is(stopped.stopReason, 'stopped')
  t.false('report' in stopped)
  const error = await t.throwsAsync(async () => await train({}, { report: 'yes' as never }), {
    instanceOf: ResidualError,
    code: 'E_USAGE',
  })
  t.is(error?.at.key, 'report')
})

test('a report that cannot be written gives a warning, not an error', async (t) => {
  const config = tinyConfig(t, { epochs: 1 })
  const warnings: string[] = []
  const types: string[] = []
  const run = train(config, {
    report: true,
    onStart: ({ dir }) => writeFileSync(join(dir, 'plots'), 'a file instead of the folder'),
    onWarning: ({ code, message, hint }) => {
      warnings.push(code)
      t.regex(message, /^the report was not written: /)
      t.truthy(hint)
    },
  })
  for await (const { type } of run) types.push(type)
  const result = await run
  t.is(result.stopReason, 'completed')
  t.is(result.report, undefined)
  t.deepEqual(warnings, ['E_WRITE'])
  t.deepEqual(types.slice(-2), ['warning', 'end'])
})

test('an error in onEnd after the report rejects the run', async (t) => {
  const config = tinyConfig(t, { epochs: 1 })
  const onEnd = () => {
    throw new RangeError('mine')
  }
  await t.throwsAsync(async () => await train(config, { report: true, onEnd }), {
    instanceOf: RangeError,
  })
  t.true(existsSync(join(config.out as string, 'report.html')))
})
