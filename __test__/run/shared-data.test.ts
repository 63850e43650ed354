/**
 * Real data sets through the public API. They are outside the repository, in the folder
 * `RESIDUAL_TEST_DATA`, by default `../shared/data`. Tests whose data is missing are skipped.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type TrainConfig, train, type WarningEvent } from 'residual'
import { node, ROOT } from '../child.js'
import { tempFolder } from '../tiny.js'

const DATA = process.env.RESIDUAL_TEST_DATA ?? join(ROOT, '..', 'shared', 'data')

/** Configuration of a run of three steps. */
const SHORT = {
  model: 'resnet8',
  batchSize: 64,
  budget: { steps: 3 },
  precision: 'fp32',
  seed: 1,
} satisfies TrainConfig

function testOn(file: string, title: string, body: (t: ExecutionContext) => Promise<void>): void {
  if (existsSync(join(DATA, file))) test(title, body)
  else test.skip(`${title} (${file} is missing: set RESIDUAL_TEST_DATA)`, body)
}

testOn('cifar-10-batches-bin', 'trains on the binary files of CIFAR-10', async (t) => {
  const source = join(DATA, 'cifar-10-batches-bin')
  const out = join(tempFolder(t), 'run')
  const { stopReason, test } = await train({ ...SHORT, data: source, out })
  t.is(stopReason, 'budget')
  t.is(test?.count, 1017)
})

testOn('hymenoptera.tar', 'trains on a folder of photos that contains a GIF file', async (t) => {
  const parent = tempFolder(t)
  const untar = spawnSync('tar', ['-xf', join(DATA, 'hymenoptera.tar'), '-C', parent])
  t.is(untar.status, 0, String(untar.stderr))
  const found = spawnSync('find', [parent, '-type', 'd', '-name', 'train'], { encoding: 'utf8' })
  const source = join(found.stdout.trim(), '..')
  const warnings: WarningEvent[] = []
  const run = train(
    { ...SHORT, data: { source, imageSize: 32 }, out: join(parent, 'run') },
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
  // The GIF file is reported and skipped.
  t.true(warnings.some(({ file }) => file?.endsWith('.gif')))
})

testOn(
  'cifar-10-batches-bin',
  'the notebook example trains, evaluates each class, and resumes from its checkpoint',
  async (t) => {
    t.timeout(300_000)
    const out = join(tempFolder(t), 'notebook')
    const notebook = (...more: string[]) =>
      node([
        'target/ava/examples/notebook.js',
        ...['--data', join(DATA, 'cifar-10-batches-bin'), '--limit', '300'],
        ...['--epochs', '1', '--out', out],
        ...more,
      ])
    const { status, stdout, stderr } = await notebook()
    t.is(status, 0, stderr)
    t.regex(stdout, /^epoch 1: loss \d\.\d{4}, training .* %, validation .* %$/m)
    t.regex(stdout, /^saved best checkpoint .*best\.safetensors$/m)
    t.regex(stdout, /on 1017 test images:\n\d+\.\d\d %$/m)
    for (const label of ['airplane', 'truck']) {
      t.regex(stdout, new RegExp(`^accuracy of ${label}`, 'm'))
    }
    for (const picture of ['data.png', 'predictions.png']) {
      t.is(readFileSync(join(out, picture)).subarray(1, 4).toString(), 'PNG')
    }
    const { monitor } = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'))
    t.is(monitor, 'val.accuracy', 'the best epoch is selected on validation images')
    // A completed run resumes without training and reports an equal accuracy.
    const resumed = await notebook('--resume')
    t.is(resumed.status, 0, resumed.stderr)
    const accuracy = (text: string) => /images:\n(.*)/.exec(text)?.[1]
    t.is(accuracy(resumed.stdout), accuracy(stdout))
  },
)
