import test from 'ava'
import { findFastest } from '../../scripts/bench/pytorch-configs.mjs'
import { Worker, WorkerError } from '../../scripts/bench/worker.mjs'

/** @param {string} source of a module that is the program */
const node = (source) => ({
  command: process.execPath,
  args: ['--input-type=module', '--eval', source],
})

const COUNTS = `
import { serve } from './scripts/bench/residual/serve.mjs'
await serve({ name: 'counter' }, async (count) => {
  if (count > 100) throw new Error('too many')
  const start = performance.now()
  while (performance.now() - start < 30 * count);
  return { items: 10 * count, seconds: (performance.now() - start) / 1000 }
})`

test('a worker describes itself, works on request, and exits when it is closed', async (t) => {
  const worker = await Worker.start(node(COUNTS))
  t.deepEqual(worker.info, { name: 'counter' })
  for (const count of [1, 3]) {
    const { items, seconds, load } = await worker.run(count)
    t.is(items, 10 * count)
    t.true(seconds >= 0.03 * count)
    t.true((load?.wall ?? 0) >= seconds)
  }
  await t.throwsAsync(worker.run(101), { instanceOf: WorkerError, message: /too many/ })
  t.is((await worker.run(1)).items, 10)
  await worker.close()
})

test('an exited worker is reported immediately, with its last output', async (t) => {
  const source = 'console.error("no such thing"); process.exit(3)'
  const error = await t.throwsAsync(Worker.start(node(source)), { instanceOf: WorkerError })
  t.regex(error?.message ?? '', /status 3\)\nno such thing/)
  await t.throwsAsync(Worker.start({ command: 'no-such-command', args: [] }), {
    instanceOf: WorkerError,
  })
})

test('a worker that does not respond times out', async (t) => {
  const worker = new Worker(node('setInterval(() => {}, 1000)'))
  await t.throwsAsync(worker.readLine(50), { message: /did not respond within 0.05 s/ })
  await worker.kill()
})

test('selects the fastest configuration that did not fail', (t) => {
  const configs = ['a', 'b', 'c'].map((name) => ({ name, options: {} }))
  t.is(findFastest(configs, { a: 'did not respond', b: 100, c: 90 }).name, 'b')
  t.throws(() => findFastest(configs, { a: 'no', b: 'no', c: 'no' }), { instanceOf: WorkerError })
})
