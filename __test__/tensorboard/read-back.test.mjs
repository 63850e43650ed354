import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { readScalars } from '../../scripts/oracle/tensorboard.mjs'
import { run } from '../../scripts/setup/command.mjs'
import { SetupError } from '../../scripts/setup/error.mjs'
import { ROOT } from '../../scripts/setup.mjs'

const MAIN = join(ROOT, 'dist', 'cli', 'main.js')

test('TensorBoard reads each value of a resumed run once', async (t) => {
  t.timeout(300_000)
  const folder = await mkdtemp(join(tmpdir(), 'residual-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const out = join(folder, 'run')
  const tiny = ['model=resnet8', 'data.limit=240', 'batchSize=40', 'threads=1', 'log.everySteps=1']
  for (const args of [
    ['fashion-mnist-mini', ...tiny, 'epochs=1', '--out', out],
    ['--resume', out, 'epochs=2'],
  ]) {
    const { status, stderr } = await run(process.execPath, [MAIN, 'train', ...args])
    t.is(status, 0, stderr)
  }

  /** @type {Record<string, [number, number][]>} */
  let scalars
  try {
    scalars = await readScalars(out)
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    t.log(`skipped: ${error.message}`)
    return t.pass()
  }
  const lines = (await readFile(join(out, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n')
  const events = lines.map((line) => JSON.parse(line))
  const epochs = events.filter(({ type }) => type === 'epoch')
  const steps = events.filter(({ type }) => type === 'step')
  t.is(epochs.length, 2)
  t.true(steps.length > 4)
  /** @type {[string, object[], (event: any) => number][]} */
  const expected = [
    ['loss/train', epochs, (event) => event.train.loss],
    ['accuracy/val', epochs, (event) => event.val.accuracy],
    ['step/loss', steps, (event) => event.loss],
    ['step/lr', steps, (event) => event.lr],
  ]
  for (const [tag, source, value] of expected) {
    const points = source.map((/** @type {any} */ event) => [event.step, Math.fround(value(event))])
    t.deepEqual(scalars[tag], points, tag)
  }
})
