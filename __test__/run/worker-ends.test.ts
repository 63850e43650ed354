import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { node, ROOT } from '../child.js'
import { tempFolder } from '../tiny.js'

/** Source of a module that computes without an end, in a main or a worker thread. */
const COMPUTE = `
  import { findLr, loadModel, train } from 'residual'
  const count = 96
  const labels = Uint8Array.from({ length: count }, (_, index) => index % 3)
  const images = Uint8Array.from({ length: count * 64 }, (_, index) => (index * 31) % 251)
  const arrays = { train: { images, labels, width: 8, height: 8, channels: 1 } }
  const tiny = { model: 'resnet8', epochs: 1, batchSize: 12, precision: 'fp32', threads: 1, workers: 1, data: { validation: 0 } }
  export const trainOnce = (out) => train({ ...tiny, out }, { arrays })
  const image = { data: images.subarray(0, 64), width: 8, height: 8, channels: 1 }
  export const compute = {
    async predict(out, started) {
      const model = await loadModel((await trainOnce(out)).dir)
      for (;;) {
        await Promise.all(Array.from({ length: 32 }, () => model.predict(image)))
        started()
      }
    },
    async evaluate(out, started) {
      const model = await loadModel((await trainOnce(out)).dir)
      setTimeout(started, 30)
      for (;;) await model.evaluate({ split: 'train', batchSize: 1 }, { arrays })
    },
    async findLr(out, started) {
      setTimeout(started, 300)
      for (;;) await findLr({ ...tiny, batchSize: 2 }, { arrays, steps: 10_000 })
    },
    async train(out, started) {
      await train({ ...tiny, epochs: 100_000, out }, { arrays, onEpoch: started })
    },
  }
`

/** The worker thread of the tests: computes `workerData.work`, then ends as `workerData.end` says. */
const WORKER = `
  import { parentPort, workerData } from 'node:worker_threads'
  import { compute } from './compute.mjs'
  const { work, out, end } = workerData
  let isEnding = false
  await compute[work](out, () => {
    parentPort.postMessage('started')
    if (isEnding) return
    isEnding = true
    setTimeout(() => {
      if (end === 'process.exit') process.exit(0)
      if (end === 'error') throw new Error('mine')
    }, 20)
  })
`

/** Runs the source of a module that can import `compute.mjs` and start `worker.mjs`. */
function runMain(t: ExecutionContext, source: string) {
  const path = tempFolder(t)
  // Modules in a temporary folder cannot resolve 'residual'.
  const entry = pathToFileURL(join(ROOT, 'dist/index.js')).href
  const write = (name: string, text: string) =>
    writeFileSync(join(path, name), text.replaceAll("from 'residual'", `from '${entry}'`))
  write('compute.mjs', COMPUTE)
  write('worker.mjs', WORKER)
  const main = `
    import { once } from 'node:events'
    import { Worker } from 'node:worker_threads'
    const startWorker = async (work, end) => {
      const out = ${JSON.stringify(path)} + '/' + Math.random()
      const worker = new Worker(new URL('./worker.mjs', import.meta.url), { workerData: { work, out, end } })
      const exited = new Promise((resolve) => worker.once('exit', resolve))
      worker.once('error', (error) => { if (error.message !== 'mine') throw error })
      await once(worker, 'message')
      return { worker, exited }
    }
    ${source}
  `
  write('main.mjs', main)
  return node([join(path, 'main.mjs')])
}

for (const work of ['predict', 'evaluate', 'findLr']) {
  for (const end of ['process.exit', 'terminate', 'error']) {
    test(`${end} of the only thread that loaded residual ends ${work} without a crash`, async (t) => {
      const { status, signal, stderr } = await runMain(
        t,
        `
          const { worker, exited } = await startWorker('${work}', '${end}')
          if ('${end}' === 'terminate') await worker.terminate()
          await exited
        `,
      )
      t.is(stderr, '')
      t.is(signal, null)
      t.is(status, 0)
    })
  }
}

test('the main thread exits while a worker thread predicts', async (t) => {
  const { status, signal, stderr } = await runMain(
    t,
    `
      await startWorker('predict', 'never')
      process.exit(7)
    `,
  )
  t.is(stderr, '')
  t.is(signal, null)
  t.is(status, 7)
})

test('an exit listener that throws during an evaluation does not crash the process', async (t) => {
  const { signal, stderr } = await runMain(
    t,
    `
      const { compute } = await import('./compute.mjs')
      process.on('exit', () => { throw new Error('mine') })
      compute.evaluate(${JSON.stringify(tempFolder(t))}, () => process.exit(0))
    `,
  )
  t.regex(stderr, /Error: mine/)
  t.is(signal, null)
})

test('20 terminated worker threads leave no thread, model or computation behind', async (t) => {
  const { status, signal, stdout, stderr } = await runMain(
    t,
    `
      import { readdirSync } from 'node:fs'
      const works = ['predict', 'evaluate', 'findLr', 'train']
      let before
      for (let index = 0; index < 20; index++) {
        const { worker } = await startWorker(works[index % works.length], 'never')
        await worker.terminate()
        before ??= readdirSync('/proc/self/task').length
      }
      console.log(readdirSync('/proc/self/task').length - before)
    `,
  )
  t.is(stderr, '')
  t.is(signal, null)
  t.is(status, 0)
  t.true(Number(stdout) <= 1, stdout)
})

test('a terminated worker thread does not end the work of other threads', async (t) => {
  const { status, signal, stdout, stderr } = await runMain(
    t,
    `
      const { trainOnce } = await import('./compute.mjs')
      const { tmpdir } = await import('node:os')
      const ended = []
      const other = await startWorker('predict', 'never')
      for (const work of ['predict', 'evaluate', 'findLr']) {
        const { worker } = await startWorker(work, 'never')
        const run = trainOnce(${JSON.stringify(tempFolder(t))} + '/' + work)
        await worker.terminate()
        ended.push((await run).stopReason)
        await once(other.worker, 'message')
      }
      console.log(ended.join())
      process.exit(0)
    `,
  )
  t.is(stderr, '')
  t.is(signal, null)
  t.is(status, 0)
  t.is(stdout, 'completed,completed,completed\n')
})
