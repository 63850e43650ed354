import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import { type ResidualError, type RunEvent, train } from 'residual'
import { imageFolder, tempFolder, tinyConfig } from '../tiny.js'

test('a run has the methods of a promise', async (t) => {
  const ended: string[] = []
  const run = train(tinyConfig(t, { epochs: 1 }))
  const result = await run.finally(() => ended.push('completed'))
  t.is(result, await run)
  const failed = train({ data: join(tempFolder(t), 'missing') })
  t.is(await failed.catch((error) => (error as ResidualError).code), 'E_DATA_NOT_FOUND')
  await failed.catch(() => {}).finally(() => ended.push('failed'))
  t.deepEqual(ended, ['completed', 'failed'])
  t.is(String(failed), '[object Run]')
})

test('a run emits its events in order and resolves with its result', async (t) => {
  const run = train(tinyConfig(t))
  t.is(run.state, 'starting')
  const events: RunEvent[] = []
  for await (const event of run) events.push(event)
  const result = await run

  const types = events.map((event) => event.type).filter((type) => type !== 'step')
  t.is(types.shift(), 'start')
  t.is(types.pop(), 'end')
  t.deepEqual(
    types.filter((type) => type === 'epoch'),
    ['epoch', 'epoch'],
  )
  t.is(result.stopReason, 'completed')
  t.is(result.epochs, 2)
  t.is(result.steps, 12)
  t.is(result.test?.count, 24)
  t.deepEqual(events.at(-1), { type: 'end', result })

  t.is(run.state, 'ended')
  t.is(run.result, result)
  t.is(run.dir, result.dir)
  t.is(run.checkpoint && existsSync(run.checkpoint), true)
  t.deepEqual(JSON.parse(readFileSync(join(result.dir, 'result.json'), 'utf8')), result)
})

test('a test split of damaged images does not end the run', async (t) => {
  const source = tempFolder(t)
  const classes = ['left', 'middle', 'right']
  cpSync(imageFolder(tempFolder(t), classes), join(source, 'train'), { recursive: true })
  // Half of a PNG has a valid header: the damage is found when the image is decoded.
  const writeTestImages = (share: number) => {
    for (const name of classes) {
      mkdirSync(join(source, 'test', name), { recursive: true })
      const bytes = readFileSync(join(source, 'train', name, '0.png'))
      writeFileSync(join(source, 'test', name, '0.png'), bytes.subarray(0, bytes.length * share))
    }
  }
  const trainOn = async (onStart: () => void) => {
    const warnings: string[] = []
    const config = tinyConfig(t, { data: { source, validation: 0.25 }, epochs: 1, batchSize: 6 })
    const onWarning = ({ message }: { message: string }) => void warnings.push(message)
    const result = await train(config, { onStart, onWarning })
    t.is(result.stopReason, 'completed')
    t.is(result.test, null)
    return warnings
  }
  writeTestImages(0.5)
  const [warning, ...others] = await trainOn(() => {})
  t.deepEqual(others, [])
  t.regex(warning ?? '', /^no image of the test split \(3\) can be decoded: .*0\.png is damaged/)

  writeTestImages(1)
  const later = await trainOn(() => writeTestImages(0.5))
  t.true(later.some((message) => message.includes('0.png is damaged')))
  t.is(later.at(-1), 'the test split is not evaluated: none of its images could be read')
})

test('overwrite removes the figures of the earlier report', async (t) => {
  const config = tinyConfig(t, { epochs: 1 })
  const plots = join(String(config.out), 'plots')
  await train(config)
  mkdirSync(plots, { recursive: true })
  for (const name of ['validation-top-losses.svg', 'mine.svg']) writeFileSync(join(plots, name), '')
  await train({ ...config, overwrite: true })
  t.false(readdirSync(plots).includes('validation-top-losses.svg'))
  t.true(readdirSync(plots).includes('mine.svg'))
})

test('hooks and two iterators receive the same events', async (t) => {
  const hooks: string[] = []
  const run = train(tinyConfig(t), {
    onStart: () => void hooks.push('start'),
    onEpoch: ({ epoch }) => void hooks.push(`epoch ${epoch}`),
    onCheckpoint: ({ kind }) => void hooks.push(`checkpoint ${kind}`),
    onEnd: () => void hooks.push('end'),
  })
  const read = async () => {
    const names: string[] = []
    for await (const event of run) {
      if (event.type === 'step') continue
      if (event.type === 'epoch') names.push(`epoch ${event.epoch}`)
      else if (event.type === 'checkpoint') names.push(`checkpoint ${event.kind}`)
      else names.push(event.type)
    }
    return names
  }
  const [first, second] = await Promise.all([read(), read(), run])
  t.deepEqual(first, hooks)
  t.deepEqual(second, hooks)
  t.is(hooks.filter((name) => name === 'epoch 2').length, 1)
})

test('training waits for an async onEpoch', async (t) => {
  let waiting = false
  let waits = 0
  await train(tinyConfig(t), {
    onStep: () => void t.false(waiting),
    async onEpoch() {
      waiting = true
      await setTimeout(100)
      waiting = false
      waits++
    },
  })
  t.is(waits, 2)
})

test('steps are skipped while onStep is pending, and the run waits for the last call', async (t) => {
  let pending = 0
  let calls = 0
  await train(tinyConfig(t), {
    async onStep() {
      calls++
      t.is(++pending, 1)
      await setTimeout(400)
      pending--
    },
  })
  t.is(pending, 0)
  t.true(calls < 12, `${calls} calls`)
})

test('leaving the loop does not stop the run', async (t) => {
  const run = train(tinyConfig(t))
  for await (const event of run) if (event.type === 'step') break
  t.is((await run).stopReason, 'completed')
})

test('the same seed gives the same results', async (t) => {
  const losses = async () => {
    const losses: number[] = []
    await train(tinyConfig(t), { onEpoch: ({ train }) => void losses.push(train.loss) })
    return losses
  }
  t.deepEqual(await losses(), await losses())
})

test('two runs train one after the other', async (t) => {
  const order: string[] = []
  const hooks = (name: string) => ({
    onStart: () => void order.push(`${name} starts`),
    onEnd: () => void order.push(`${name} ends`),
  })
  await Promise.all([train(tinyConfig(t), hooks('one')), train(tinyConfig(t), hooks('other'))])
  t.deepEqual(order, ['one starts', 'one ends', 'other starts', 'other ends'])
})

test('a paused run trains no step until it is resumed', async (t) => {
  let steps = 0
  const run = train(tinyConfig(t), { onStep: () => void steps++ })
  for await (const event of run) if (event.type === 'step') break
  run.pause()
  t.is(run.state, 'paused')
  await setTimeout(300) // lets the current step finish
  const paused = steps
  await setTimeout(300)
  t.is(steps, paused)
  run.resume()
  t.is((await run).stopReason, 'completed')
})

test('a resumed run writes only to the folder that was passed', async (t) => {
  const config = tinyConfig(t, { epochs: 1 })
  const original = config.out as string
  await train(config)
  const passed = `${original}-moved`
  renameSync(original, passed)
  const result = await train({ resume: passed, epochs: 2 })
  t.is(realpathSync(result.dir), realpathSync(passed))
  t.is(result.epochs, 2)
  t.false(existsSync(original))
})
