import test from 'ava'
import { type BenchResult, bench, ResidualError } from 'residual'
import { residual } from '../../child.js'

const QUICK = ['imageSize=8', 'batchSize=2', 'threads=1', 'precision=fp32', '--seconds', '0']

test('bench reports median, minimum and maximum of its rounds', async (t) => {
  const words = ['bench', 'resnet8', ...QUICK, '--rounds', '3']
  const { status, stdout, stderr } = await residual(words)
  t.is(status, 0, stderr)
  t.regex(stdout, /^resnet8, batches of 2 x 3 x 8 x 8, fp32 on cpu, 1 thread$/m)
  t.regex(stdout, /^training +[\d,]+ +[\d,]+ +[\d,]+ +3$/m)
  const json = await residual([...words, '--json'])
  const { train, predict }: BenchResult = JSON.parse(json.stdout)
  for (const { rounds, min, median, max } of [train, predict]) {
    t.is(rounds.length, 3)
    t.deepEqual(
      [min, median, max],
      rounds.toSorted((a, b) => a - b),
    )
  }
})

test('bench rejects invalid values with their key', async (t) => {
  for (const [key, value] of Object.entries({ rounds: 0, batchSize: 1, model: 'resnet19' })) {
    const error = await t.throwsAsync(bench({ [key]: value }), { instanceOf: ResidualError })
    t.is(error?.at.key, key)
  }
})
