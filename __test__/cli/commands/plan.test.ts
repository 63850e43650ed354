import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'ava'
import { type Plan, plan, ResidualError, train } from 'residual'
import { explainConfig, formatChosenValues } from '#dist/cli/output/run/explain-config.js'
import { residual } from '../../child.js'
import { idxData, photographs, tempFolder, tinyConfig } from '../../tiny.js'

test('--dry-run prints the plan with time and memory, and writes nothing', async (t) => {
  const parent = tempFolder(t)
  const out = join(parent, 'run')
  const args = [
    ...['train', idxData(parent), '--model', 'resnet8', '--epochs', '3', '--out', out, '--dry-run'],
    ...['batchSize=12', 'threads=1', 'workers=1'],
  ]
  const { status, stdout, stderr } = await residual(args)
  t.is(status, 0, stderr)
  t.regex(stdout, /^Dry run: nothing was trained/)
  t.regex(stdout, /^images +86 training \+ 10 validation \+ 24 test$/m)
  t.regex(stdout, /^steps +8 per epoch, 24 in total$/m)
  t.regex(stdout, /^ {2}image size +8 +size of the images$/m)
  t.regex(stdout, /^memory +[\d.]+ [kMG]B estimated/m)
  t.regex(stdout, /[\d.]+ MB measured/)
  t.regex(stdout, /measured: \d+ steps? on your images, with discarded weights/)
  t.deepEqual(readdirSync(parent), ['data'])

  const explained = await residual([...args, '--explain'])
  t.regex(explained.stdout, /^model\.arch +resnet8 +set by you$/m)
  t.regex(explained.stdout, /^epochs +3 +set by you$/m)
  t.regex(explained.stdout, /^budget\.epochs +3 +set by you$/m)
  t.regex(explained.stdout, /^optimizer\.momentum +0\.9 +default$/m)
  t.regex(explained.stdout, /^augmentOn +workers +the device is the CPU$/m)
  t.regex(explained.stdout, /^data\.imageSize +8 +size of the images$/m)

  const json = await residual([...args, '--json'])
  t.is(json.stderr, '')
  const planned: Plan = JSON.parse(json.stdout)
  t.is(planned.totalSteps, 24)
  t.is(planned.dir, out)
})

test('a run follows its plan', async (t) => {
  const config = tinyConfig(t)
  const { time, memory, dir, ...planned } = await plan(config)
  t.true((time?.steps ?? 0) > 0)
  t.true((time?.minStepSeconds ?? 1) <= (time?.stepSeconds ?? 0))
  t.true((time?.stepSeconds ?? 1) <= (time?.maxStepSeconds ?? 0))
  t.true(Math.abs((time?.totalSeconds ?? 0) / (2 * (time?.epochSeconds ?? 1)) - 1) < 1e-9)
  const parts = [
    ...(['weights', 'gradients', 'optimizer'] as const),
    ...(['activations', 'batches', 'images'] as const),
  ]
  t.is(
    memory.total,
    parts.reduce((sum, part) => sum + memory[part], 0),
  )
  t.true((memory.measured ?? 0) > memory.weights)

  const run = train(config)
  for await (const event of run) {
    if (event.type !== 'start') continue
    t.is(event.dir, dir)
    t.deepEqual(event.config, planned.config)
    t.is(event.parameters, planned.parameters)
    t.is(event.stepsPerEpoch, planned.stepsPerEpoch)
    t.is(event.totalSteps, planned.totalSteps)
    t.is(event.trainImages, planned.trainImages)
  }
  // The folder now contains a finished run.
  const error = await t.throwsAsync(plan(config), { instanceOf: ResidualError })
  t.is(error?.code, 'E_OUT_EXISTS')
  const resumed = await plan({ resume: dir, epochs: 5 }, { measure: false })
  t.is(resumed.startStep, 12)
  t.is(resumed.totalSteps, 30)
  t.is(resumed.time, null)
  t.is(resumed.dir, dir)
})

test('plan rejects invalid configurations and options', async (t) => {
  const config = tinyConfig(t)
  const cases: [object, object, string][] = [
    [{ optimizer: { lr: -1 } }, {}, 'optimizer.lr'],
    [{ optimiser: {} }, {}, 'optimiser'],
    [{ augmentOn: 'device', transform: { erase: 'cutout' } }, {}, 'augmentOn'],
    [{}, { mesure: false }, 'mesure'],
    [{ data: join(dirname(config.out as string), 'none') }, {}, 'data'],
  ]
  for (const [invalid, options, key] of cases) {
    const error = await t.throwsAsync(plan({ ...config, ...invalid }, options), {
      instanceOf: ResidualError,
    })
    t.true((error?.at.key ?? error?.at.file) !== undefined)
    if (error?.at.key !== undefined) t.regex(error.at.key, new RegExp(`^${key}`))
  }
})

test('long values leave room for their reason', async (t) => {
  const { config } = await plan({ data: photographs(tempFolder(t)) }, { measure: false })
  const crop = formatChosenValues(config, 100).find((line) => line.startsWith('crop')) ?? ''
  const [, value = '', reason = ''] = crop.split(/ {2,}/)
  t.is(value, 'random-resized, …')
  t.true(reason.length > 35, crop)
})

test('the origin of a value is: set by you, the recipe, a reason, or the default', async (t) => {
  const { config } = await plan(tinyConfig(t), { measure: false })
  const originsOf = (userConfig: object, recipe: object) =>
    new Map(
      explainConfig(
        config,
        userConfig as Record<string, unknown>,
        recipe as Record<string, unknown>,
      )
        .split('\n')
        .map((line) => line.split(/ {2,}/))
        .map(([key, , origin]) => [key, origin]),
    )
  const origins = originsOf(
    { data: './x', model: { arch: 'resnet8' }, epochs: 2, batchSize: 'auto' },
    { optimizer: { type: 'sgd', lr: 0.05 }, schedule: 'cosine' },
  )
  t.is(origins.get('data.source'), 'set by you')
  t.is(origins.get('model.arch'), 'set by you')
  t.is(origins.get('budget.epochs'), 'set by you')
  t.regex(origins.get('optimizer.lr') ?? '', /^recipe/)
  t.regex(origins.get('schedule.type') ?? '', /^recipe/)
  t.is(origins.get('optimizer.momentum'), 'default')
  t.is(origins.get('model.stem'), 'default of CIFAR networks')
})
