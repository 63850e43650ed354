import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import {
  AbortError,
  type DegradationConfig,
  type ExperimentEvent,
  evaluate,
  experiment,
  type RepeatConfig,
  ResidualError,
  train,
} from 'residual'
import { imageFolder, tempFolder, tinyConfig } from '../tiny.js'

/** Returns the configuration of three runs of a second each. */
function tinyRepeat(t: ExecutionContext, config: RepeatConfig = {}): RepeatConfig {
  return { ...tinyConfig(t), seeds: 3, out: join(tempFolder(t), 'repeat'), ...config }
}

/** Returns the configuration of four runs of a second each. */
function tinyDegradation(t: ExecutionContext): DegradationConfig {
  const { model: _, schedule: _schedule, optimizer: _optimizer, ...config } = tinyConfig(t)
  return { ...config, depths: [8, 14], out: join(tempFolder(t), 'degradation') }
}

/** Collects the state changes of the member runs. */
function collectStates() {
  const states: string[] = []
  const onEvent = (event: ExperimentEvent) => {
    if (event.type === 'member') states.push(`${event.member} ${event.state}`)
  }
  return { states, onEvent }
}

/** Returns the data folder of a configuration. */
function dataOf({ data }: RepeatConfig): string {
  return typeof data === 'object' ? (data.source ?? '') : ''
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b) / values.length

test('repeat() returns mean, standard deviation and best over seeds', async (t) => {
  const config = tinyRepeat(t)
  const splits: (number | undefined)[] = []
  const result = await experiment.repeat(config, {
    onEvent(event) {
      if (event.type === 'start') splits.push(event.config.seed, event.config.data.splitSeed)
    },
  })
  t.deepEqual(splits, [1, 0, 2, 0, 3, 0])
  t.deepEqual(result.seeds, [1, 2, 3])

  const runs = result.runs.map((dir) => JSON.parse(readFileSync(join(dir, 'result.json'), 'utf8')))
  const accuracies = runs.map(({ test }) => test.accuracy)
  t.deepEqual(result.testAccuracy?.values, accuracies)
  t.is(result.testAccuracy?.mean, mean(accuracies))
  t.is(result.testAccuracy?.best, Math.max(...accuracies))
  const squares = accuracies.map((value) => (value - mean(accuracies)) ** 2)
  const deviation = Math.sqrt((mean(squares) * 3) / 2)
  t.true(Math.abs((result.testAccuracy?.std ?? 0) - deviation) < 1e-12)
  t.true(new Set(result.trainAccuracy.values).size > 1)
  t.true(existsSync(result.best.checkpoint))

  const markdown = readFileSync(result.table.markdown, 'utf8')
  for (const run of runs) t.true(markdown.includes((100 * run.test.accuracy).toFixed(2)))
  t.regex(markdown, /^\| mean \| \d+\.\d\d ± \d+\.\d\d \|/m)
  t.is(readFileSync(result.table.csv, 'utf8').split('\r\n').length, 1 + 3 + 2 + 1)
  t.deepEqual(JSON.parse(readFileSync(join(result.dir, 'result.json'), 'utf8')), result)

  const svg = readFileSync(result.figure.svg, 'utf8')
  for (const word of ['training error', 'validation error']) t.true(svg.includes(`>${word}<`))
  t.true(svg.includes('area mark'))
  t.is(readFileSync(result.figure.png).toString('latin1', 1, 4), 'PNG')
})

test('an interrupted experiment resumes bit-identically', async (t) => {
  const config = tinyRepeat(t)
  const uninterrupted = await experiment.repeat({ ...config, out: join(tempFolder(t), 'whole') })

  const controller = new AbortController()
  const reason = new Error('stopped by the test')
  const aborted = await t.throwsAsync(
    experiment.repeat(config, {
      signal: controller.signal,
      onEvent(event) {
        // During the second epoch of the second run.
        if (event.type === 'step' && event.member === 'seed2' && event.step >= 8)
          controller.abort(reason)
      },
    }),
    { instanceOf: AbortError },
  )
  t.is(aborted?.cause, reason)
  t.regex(aborted?.hint ?? '', /same call/)
  t.true(existsSync(aborted?.checkpoint ?? ''))

  const { states, onEvent } = collectStates()
  const result = await experiment.repeat(config, { onEvent })
  t.deepEqual(states, ['seed1 reused', 'seed2 resumed', 'seed3 new'])
  t.deepEqual(result.testAccuracy, uninterrupted.testAccuracy)
  t.deepEqual(result.trainAccuracy, uninterrupted.trainAccuracy)
  t.deepEqual(result.valAccuracy, uninterrupted.valAccuracy)

  const repeated = collectStates()
  await experiment.repeat({ ...config, seeds: 2, workers: 2 }, { onEvent: repeated.onEvent })
  t.deepEqual(repeated.states, ['seed1 reused', 'seed2 reused'])
})

test('rejects runs of another configuration unless overwrite is set', async (t) => {
  const config = tinyRepeat(t, { seeds: 1, epochs: 1 })
  await experiment.repeat(config)
  const other = { ...config, optimizer: { type: 'sgd', lr: 0.01 } } as const
  const mismatch = await t.throwsAsync(experiment.repeat(other), { instanceOf: ResidualError })
  t.is(mismatch?.code, 'E_MISMATCH')
  t.is(mismatch?.at.key, 'optimizer')
  const { states, onEvent } = collectStates()
  await experiment.repeat({ ...other, overwrite: true }, { onEvent })
  t.deepEqual(states, ['seed1 new'])

  const sameFolder = { ...tinyDegradation(t), out: config.out }
  const conflict = await t.throwsAsync(experiment.degradation(sameFolder), {
    instanceOf: ResidualError,
  })
  t.is(conflict?.code, 'E_OUT_EXISTS')
})

test('a run that failed before its start does not block a later one', async (t) => {
  const config = tinyRepeat(t, { seeds: 1, epochs: 1 })
  const invalid = { ...config, batchSize: 0 }
  const error = await t.throwsAsync(experiment.repeat(invalid), { instanceOf: ResidualError })
  t.is(error?.at.key, 'batchSize')
  t.regex(error?.message ?? '', /^seed1: /)
  t.is((await experiment.repeat(config)).seeds.length, 1)
})

test('reports a truncated experiment.json with its path', async (t) => {
  const config = tinyRepeat(t, { seeds: 1, epochs: 1 })
  const { dir } = await experiment.repeat(config)
  const record = join(dir, 'experiment.json')
  writeFileSync(record, '{"experiment":')
  const error = await t.throwsAsync(experiment.repeat(config), { instanceOf: ResidualError })
  t.is(error?.code, 'E_IO')
  t.is(error?.at.file, record)
})

test('an error in onEvent saves a checkpoint and rejects the experiment', async (t) => {
  const thrown = new RangeError('mine')
  const config = tinyRepeat(t, { epochs: 100_000 })
  const error = await t.throwsAsync(
    experiment.repeat(config, {
      onEvent(event) {
        if (event.type === 'epoch') throw thrown
      },
    }),
  )
  t.is(error, thrown)
  t.true(existsSync(join(config.out as string, 'runs/seed1/checkpoints/last.safetensors')))
})

test('degradation() compares plain and residual networks with the paper', async (t) => {
  const config = tinyDegradation(t)
  const result = await experiment.degradation(config)
  t.deepEqual(
    result.networks.map(({ arch, family, depth }) => [arch, family, depth]),
    [
      ['plain8', 'plain', 8],
      ['resnet8', 'residual', 8],
      ['plain14', 'plain', 14],
      ['resnet14', 'residual', 14],
    ],
  )
  const [plain, , deepPlain] = result.networks
  const difference = (deepPlain?.trainError.mean ?? NaN) - (plain?.trainError.mean ?? NaN)
  const [comparison] = result.comparisons
  t.is(comparison?.difference, difference)
  t.is(comparison?.degraded, difference > 0)
  const relation = difference > 0 ? 'is higher than' : 'is not higher than'
  t.regex(
    result.summary,
    new RegExp(`^The training error of plain14 \\(.* %\\) ${relation} that of`),
  )
  t.is(
    result.reproduced,
    result.comparisons[0]?.degraded === true && result.comparisons[1]?.degraded === false,
  )

  // The paper's schedule divides the learning rate at 1/2 and 3/4 of the run.
  const resolved = JSON.parse(
    readFileSync(join(result.networks[0]?.runs[0] ?? '', 'config.json'), 'utf8'),
  )
  t.like(resolved.optimizer, { type: 'sgd', lr: 0.1, momentum: 0.9, weightDecay: 1e-4 })
  t.like(resolved.schedule, { type: 'multistep', gamma: 0.1, milestones: [1, 1] })
  t.is(resolved.recipe, 'he2015-cifar')

  const svg = readFileSync(result.figure.svg, 'utf8')
  for (const word of ['plain', 'residual', '8 layers', '14 layers', 'training error']) {
    t.true(svg.includes(`>${word}<`), word)
  }
  t.is(svg.match(/aria-roledescription="line mark" d=/g)?.length, 8)
  // Figure 7 of the paper: the first layer and both 3x3 layers of each block.
  for (const { depth, responses } of result.networks) {
    t.is(responses.length, depth - 1)
    t.true(responses.every(({ std }) => std > 0))
  }
  const layers = readFileSync(result.responses.svg, 'utf8')
  for (const word of ['plain14', 'resnet14', 'by layer', 'sorted']) {
    t.true(layers.includes(`>${word}<`), word)
  }
  const markdown = readFileSync(result.table.markdown, 'utf8')
  for (const { arch, trainError } of result.networks) {
    t.regex(
      markdown,
      new RegExp(`^\\| ${arch} \\|.* ${(100 * trainError.mean).toFixed(2)} \\|`, 'm'),
    )
  }
  t.true(markdown.includes(result.summary))

  // With an additional depth, the existing runs are reused.
  const { states, onEvent } = collectStates()
  const extended = await experiment.degradation({ ...config, depths: [8, 14, 20] }, { onEvent })
  t.deepEqual(
    states.map((line) => line.split(' ')[1]),
    ['reused', 'reused', 'reused', 'reused', 'new', 'new'],
  )
  t.is(extended.networks[5]?.paper?.error, 0.0875)
  t.regex(readFileSync(extended.table.markdown, 'utf8'), /^\| resnet20 \|.* 8\.75 \|$/m)
})

test('rejects an invalid comparison before training', async (t) => {
  const config = tinyDegradation(t)
  const invalid: [DegradationConfig, string][] = [
    [{ ...config, depths: [] }, 'depths'],
    [{ ...config, depths: [21] }, 'depths'],
    [{ ...config, depths: [50] }, 'depths'],
    [{ ...config, depths: [20, 20] }, 'depths'],
    [{ ...config, depths: [18, 20] }, 'depths'],
    [{ ...config, depths: 20 as unknown as number[] }, 'depths'],
    [{ ...config, seeds: 0 }, 'seeds'],
    [{ ...config, budget: { seconds: 60 } }, 'budget.seconds'],
    [{ ...config, model: { arch: 'resnet20' } }, 'model'],
    [{ ...config, data: undefined, out: undefined }, 'data'],
  ]
  for (const [config, key] of invalid) {
    const error = await t.throwsAsync(experiment.degradation(config), { instanceOf: ResidualError })
    t.is(error?.code, 'E_CONFIG')
    t.is(error?.at.key, key)
    t.truthy(error?.hint)
  }
  t.false(existsSync(config.out as string))
  const resumed = { ...tinyConfig(t), resume: 'runs/x' } as RepeatConfig
  const error = await t.throwsAsync(experiment.repeat(resumed), { instanceOf: ResidualError })
  t.is(error?.at.key, 'resume')
})

test('an ensemble of identical networks gives the results of one network', async (t) => {
  const { dir } = await train(tinyConfig(t))
  const { ensemble, members } = await experiment.ensemble([dir, dir])
  const { imagesPerSecond: _, ...single } = await evaluate(dir)
  const { imagesPerSecond: _fast, ...averaged } = ensemble
  t.deepEqual(averaged, single)
  t.is(members.length, 2)
  t.is(members[0]?.checkpoint, join(dir, 'checkpoints', 'best.safetensors'))
  t.is(members[1]?.evaluation.loss, single.loss)
})

test('an ensemble averages probabilities and has a lower loss than its members', async (t) => {
  const config = tinyRepeat(t, { epochs: 1 })
  const { runs } = await experiment.repeat(config)
  const { ensemble, members } = await experiment.ensemble(runs, { batchSize: 7 })
  const losses = members.map(({ evaluation }) => evaluation.loss)
  t.is(new Set(losses).size, 3)
  // By Jensen's inequality.
  t.true(ensemble.loss < mean(losses))
  t.is(ensemble.count, 24)

  // All members share one split, so their validation predictions can be averaged.
  const validation = await experiment.ensemble(runs, { split: 'val' })
  t.is(validation.ensemble.count, 24)
  const other = await train(
    tinyConfig(t, { data: { source: dataOf(config), validation: 0.25 }, seed: 9 }),
  )
  const mismatch = await t.throwsAsync(
    experiment.ensemble([runs[0] as string, other.dir], { split: 'val' }),
    { instanceOf: ResidualError },
  )
  t.is(mismatch?.code, 'E_MISMATCH')
  t.is(mismatch?.at.key, 'split')
})

test('rejects an ensemble of networks with different classes', async (t) => {
  const { dir } = await train(tinyConfig(t, { epochs: 1 }))
  const photos = imageFolder(tempFolder(t), ['left', 'middle', 'right'])
  const other = await train(tinyConfig(t, { data: { source: photos, channels: 1 }, epochs: 1 }))
  const error = await t.throwsAsync(experiment.ensemble([dir, other.dir]), {
    instanceOf: ResidualError,
  })
  t.is(error?.code, 'E_MISMATCH')
  const empty = await t.throwsAsync(experiment.ensemble([]), { instanceOf: ResidualError })
  t.is(empty?.at.key, 'models')
  const missing = await t.throwsAsync(experiment.ensemble([dir, 'no/such/run']), {
    instanceOf: ResidualError,
  })
  t.is(missing?.code, 'E_CHECKPOINT')
})
