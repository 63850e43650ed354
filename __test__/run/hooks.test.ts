import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import { AbortError, ResidualError, type Run, type RunEvent, train } from 'residual'
import { tinyConfig } from '../tiny.js'

/** More epochs than any test trains. */
const LONG = { epochs: 100_000 }

const never = () => new Promise<never>(() => {})

for (const [name, result] of Object.entries({
  'a thenable that throws': (error: unknown) => ({
    // biome-ignore lint/suspicious/noThenProperty: the object under test
    then() {
      throw error
    },
  }),
  'a thenable that rejects': (error: unknown) => ({
    // biome-ignore lint/suspicious/noThenProperty: the object under test
    then(_: unknown, reject: (error: unknown) => void) {
      reject(error)
    },
  }),
  'an object whose `then` throws': (error: unknown) => ({
    // biome-ignore lint/suspicious/noThenProperty: the object under test
    get then() {
      throw error
    },
  }),
})) {
  for (const hook of ['onStart', 'onStep', 'onEpoch', 'onEnd'] as const) {
    test(`${name} in ${hook} rejects the run`, async (t) => {
      const thrown = new RangeError('mine')
      const config = tinyConfig(t, hook === 'onEnd' ? { epochs: 1 } : LONG)
      const error = await t.throwsAsync(
        async () => await train(config, { [hook]: () => result(thrown) as never }),
      )
      t.is(error, thrown)
    })
  }
}

test('training waits for a thenable that is no promise', async (t) => {
  let epochs = 0
  const result = await train(tinyConfig(t, LONG), {
    onEpoch: () =>
      ({
        // biome-ignore lint/suspicious/noThenProperty: the object under test
        then(resolve: (result: 'stop') => void) {
          epochs++
          setTimeout(50).then(() => resolve('stop'))
        },
      }) as PromiseLike<'stop'>,
  })
  t.is(result.stopReason, 'stopped')
  t.is(epochs, 1)
})

const inEpochHook: Record<string, (other: () => Run) => Promise<unknown>> = {
  'awaiting it': async (other) => await other(),
  'iterating over it': async (other) => {
    for await (const _ of other());
  },
  'awaiting it with others': async (other) => await Promise.all([other(), other()]),
}
for (const [name, wait] of Object.entries(inEpochHook)) {
  test(`starting a run in onEpoch and ${name} rejects`, async (t) => {
    const others: Run[] = []
    const run = train(tinyConfig(t, LONG), {
      onEpoch: () =>
        wait(() => {
          const other = train(tinyConfig(t, LONG))
          others.push(other)
          return other
        }) as Promise<undefined>,
    })
    const error = await t.throwsAsync(async () => await run, { instanceOf: ResidualError })
    t.is(error?.code, 'E_USAGE')
    t.regex(error?.message ?? '', /`onEpoch` waits for a run/)
    for (const other of others) {
      t.is(other.state, 'ended')
      await t.throwsAsync(async () => await other, { code: 'E_USAGE' })
    }
    const next = await train(tinyConfig(t, { epochs: 1 })) // the thread is free
    t.is(next.stopReason, 'completed')
  })
}

for (const hook of ['onEpoch', 'onStep'] as const) {
  test(`awaiting its own run in ${hook} rejects`, async (t) => {
    const run: Run = train(tinyConfig(t, LONG), {
      [hook]: async () => {
        await run
      },
    })
    const error = await t.throwsAsync(async () => await run, { code: 'E_USAGE' })
    t.regex(error?.message ?? '', /waits for the end of its own run/)
  })
}

test('returning another run from onEpoch rejects as awaiting it does', async (t) => {
  const other = tinyConfig(t, { epochs: 1 })
  const run = train(tinyConfig(t, LONG), {
    onEpoch: () => train(other) as PromiseLike<unknown> as PromiseLike<undefined>,
  })
  const error = await t.throwsAsync(async () => await run, { code: 'E_USAGE' })
  t.regex(error?.message ?? '', /`onEpoch` waits for a run/)
})

test('a run that a hook starts without awaiting it trains afterwards', async (t) => {
  let next: Run | undefined
  let nextEnded: Promise<string> | undefined
  const config = tinyConfig(t, { epochs: 1 })
  await train(tinyConfig(t, { epochs: 1 }), {
    async onEpoch() {
      next = train(config)
      nextEnded = next.then(({ stopReason }) => stopReason)
    },
  })
  t.is(await nextEnded, 'completed')
  t.is(next?.state, 'ended')
})

test('onStep may await another run', async (t) => {
  const reasons: string[] = []
  let isFirst = true
  await train(tinyConfig(t, { epochs: 1 }), {
    async onStep() {
      if (!isFirst) return
      isFirst = false
      reasons.push((await train(tinyConfig(t, { epochs: 1 }))).stopReason)
    },
  })
  t.deepEqual(reasons, ['completed'])
})

for (const hook of ['onStart', 'onStep', 'onEpoch', 'onCheckpoint', 'onEnd'] as const) {
  test(`stop() ends a run whose ${hook} never settles`, async (t) => {
    const run = train(tinyConfig(t, hook === 'onEnd' ? { epochs: 1 } : LONG), {
      [hook]: () => {
        setTimeout(300).then(() => run.stop())
        return never()
      },
    })
    t.is((await run).stopReason, hook === 'onEnd' ? 'completed' : 'stopped')
  })
}

test('an abort ends a finished run whose onEnd never settles', async (t) => {
  const controller = new AbortController()
  const run = train(tinyConfig(t, { epochs: 1 }), {
    signal: controller.signal,
    onEnd: () => {
      setTimeout(20).then(() => controller.abort())
      return never()
    },
  })
  const error = await t.throwsAsync(async () => await run, { instanceOf: AbortError })
  t.regex(error?.checkpoint ?? '', /last\.safetensors$/)
})

test('stop() in onEpoch lets the hook await another run', async (t) => {
  const events: RunEvent['type'][] = []
  const run: Run = train(tinyConfig(t, LONG), {
    async onEpoch() {
      run.stop()
      await train(tinyConfig(t, { epochs: 1 }), { onEnd: () => void events.push('end') })
    },
  })
  t.is((await run).stopReason, 'stopped')
  t.deepEqual(events, ['end'])
})
