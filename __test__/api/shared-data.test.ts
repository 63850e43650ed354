/**
 * Real data through the public API. It lies outside the repository, in `../shared/data` or where
 * `RESIDUAL_TEST_DATA` says; without it these tests say that they are skipped.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type TrainConfig, train, type WarningEvent } from 'residual'
import { ROOT } from '../child.js'
import { folder } from '../tiny.js'

const DATA = process.env.RESIDUAL_TEST_DATA ?? join(ROOT, '..', 'shared', 'data')

/** A few steps, enough to pass through every stage. */
const BRIEF = {
  model: 'resnet8',
  batchSize: 64,
  budget: { steps: 3 },
  precision: 'fp32',
  seed: 1,
} satisfies TrainConfig

function testOn(file: string, title: string, body: (t: ExecutionContext) => Promise<void>): void {
  if (existsSync(join(DATA, file))) test(title, body)
  else test.skip(`${title} (${file} is not there: set RESIDUAL_TEST_DATA)`, body)
}

testOn('cifar-10-batches-bin', "CIFAR-10's binary files train as they are", async (t) => {
  const source = join(DATA, 'cifar-10-batches-bin')
  const out = join(folder(t), 'run')
  const { stopReason, test } = await train({ ...BRIEF, data: source, out })
  t.is(stopReason, 'budget')
  t.is(test?.count, 1017)
})

testOn('hymenoptera.tar', 'a folder of photographs trains in spite of its traps', async (t) => {
  const parent = folder(t)
  const untar = spawnSync('tar', ['-xf', join(DATA, 'hymenoptera.tar'), '-C', parent])
  t.is(untar.status, 0, String(untar.stderr))
  const found = spawnSync('find', [parent, '-type', 'd', '-name', 'train'], { encoding: 'utf8' })
  const source = join(found.stdout.trim(), '..')
  const warnings: WarningEvent[] = []
  const run = train(
    { ...BRIEF, data: { source, imageSize: 32 }, out: join(parent, 'run') },
    {
      onStart: ({ data, valImages }) => {
        t.deepEqual(data.classes, ['ants', 'bees'])
        t.true(valImages > 100)
      },
      onWarning: (warning) => {
        warnings.push(warning)
      },
    },
  )
  t.is((await run).stopReason, 'budget')
  // The GIF among the ants is named and left out.
  t.true(warnings.some(({ file }) => file?.endsWith('.gif')))
})
