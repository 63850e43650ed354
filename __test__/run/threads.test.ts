import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { loadModel, train } from 'residual'
import { script } from '../child.js'
import { pixels, tinyConfig } from '../tiny.js'

test('training does not block the JavaScript thread', async (t) => {
  const config = tinyConfig(t, { model: 'resnet20', epochs: 20 })
  const { stdout, stderr } = await script(`
    import { readFileSync } from 'node:fs'
    import { train } from 'residual'
    const nanoseconds = () => Number(readFileSync('/proc/self/task/' + process.pid + '/schedstat', 'utf8').split(' ')[0])
    let main, all
    await train(${JSON.stringify(config)}, {
      onStart() { main = nanoseconds(); all = process.cpuUsage() },
      onEnd() { main = nanoseconds() - main; all = process.cpuUsage(all) },
    })
    console.log(main / 1000 / (all.user + all.system))
  `)
  t.is(stderr, '')
  t.true(Number(stdout) < 0.25, `the main thread used ${stdout} of the CPU time`)
})

test.serial('a run trains while callers predict without a pause', async (t) => {
  const { dir } = await train(tinyConfig(t, { epochs: 1 }))
  await using model = await loadModel(dir)
  const image = { data: pixels(3), width: 8, height: 8, channels: 1 } as const
  const alone = await model.predict(image)
  let isTraining = true
  const callers = Array.from({ length: 20 }, async () => {
    const probabilities: number[] = []
    while (isTraining) probabilities.push((await model.predict(image)).probability)
    return probabilities
  })
  const { stopReason } = await train(tinyConfig(t, { batchSize: 2 }))
  isTraining = false
  const during = await Promise.all(callers)
  t.is(stopReason, 'completed')
  t.true(during.every((probabilities) => probabilities.length > 0))
  // A batch of another size is computed in another order.
  const isEqual = (probability: number) => Math.abs(probability - alone.probability) < 1e-5
  t.true(during.flat().every(isEqual))
})

test('a blocking hook does not cause a backlog of events', async (t) => {
  let calls = 0
  let last = 0
  // 36 steps per epoch; only the newest step event is queued.
  await train(tinyConfig(t, { batchSize: 2 }), {
    onStep({ step }) {
      calls++
      last = step
      const end = performance.now() + 100
      while (performance.now() < end);
    },
  })
  t.is(last, 72)
  t.true(calls < 36, `${calls} calls`)
})

test('memory stays constant over a thousand steps', async (t) => {
  const config = tinyConfig(t, { batchSize: 2, epochs: 40 })
  const { stdout, stderr } = await script(`
    import { train } from 'residual'
    const resident = []
    await train(${JSON.stringify(config)}, {
      onEpoch() { resident.push(process.memoryUsage.rss()) },
    })
    console.log(resident.at(-1) - resident.at(10))
  `)
  t.is(stderr, '')
  t.true(Number(stdout) < 16 * 2 ** 20, `${stdout} bytes more`)
})

for (const end of ['process.exit(5)', 'await worker.terminate()']) {
  test(`${end} while a worker trains saves a checkpoint`, async (t) => {
    const config = tinyConfig(t, { epochs: 100_000 })
    const { status, signal, stderr } = await script(`
      import { Worker } from 'node:worker_threads'
      const source = \`
        import { parentPort, workerData } from 'node:worker_threads'
        import { train } from 'residual'
        await train(workerData, { onEpoch({ epoch }) { if (epoch === 2) parentPort.postMessage('go') } })
      \`
      const worker = new Worker(source, { eval: true, workerData: ${JSON.stringify(config)} })
      worker.once('message', async () => {
        ${end}
        process.exitCode = 5
      })
    `)
    t.is(stderr, '')
    t.is(signal, null)
    t.is(status, 5)
    t.true(existsSync(join(config.out as string, 'checkpoints', 'last.safetensors')))
  })
}

test('the end of a worker thread does not affect runs of other threads', async (t) => {
  const { stdout, stderr } = await script(`
    import { once } from 'node:events'
    import { Worker } from 'node:worker_threads'
    import { train } from 'residual'
    const source = \`
      import { workerData } from 'node:worker_threads'
      import { train } from 'residual'
      await train(workerData)
    \`
    const worker = new Worker(source, { eval: true, workerData: ${JSON.stringify(tinyConfig(t))} })
    await once(worker, 'exit')
    console.log((await train(${JSON.stringify(tinyConfig(t))})).stopReason)
  `)
  t.is(stderr, '')
  t.is(stdout, 'completed\n')
})
