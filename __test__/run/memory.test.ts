import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { node } from '../child.js'

test('ended runs, their arrays and their hooks are garbage-collected', async (t) => {
  const out = mkdtempSync(join(tmpdir(), 'residual-test-'))
  t.teardown(() => rmSync(out, { recursive: true, force: true }))
  const source = `
    import { setTimeout } from 'node:timers/promises'
    import { train } from 'residual'
    const alive = []
    const controller = new AbortController()
    async function once(index) {
      const train_ = { images: new Uint8Array(12 * 64), labels: new Uint8Array(12).map((_, i) => i % 3), width: 8, height: 8, channels: 1 }
      const config = { model: 'resnet8', epochs: 1, batchSize: 12, precision: 'fp32', threads: 1, workers: 1, data: { validation: 0 }, out: ${JSON.stringify(out)} + '/' + index }
      const options = {
        arrays: { train: train_ },
        signal: controller.signal,
        onStep() { if (index % 3 === 1) run.stop() },
        onEpoch() { if (index % 3 === 2) throw new Error('mine') },
      }
      const run = train(config, options)
      alive.push(new WeakRef(run), new WeakRef(train_.images), new WeakRef(options))
      for await (const _ of run) break
      await run.then(() => {}, () => {})
    }
    for (let index = 0; index < 9; index++) await once(index)
    for (let round = 0; round < 20; round++) { await setTimeout(20); gc() }
    console.log(alive.filter((reference) => reference.deref() !== undefined).length)
  `
  const { stdout, stderr } = await node(['--expose-gc', '--input-type=module', '--eval', source])
  t.is(stderr, '')
  t.is(stdout, '0\n')
})
