/** Default pretrained weights of runs on folders of photos. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { StartEvent, TrainConfig, WarningEvent } from 'residual'
import { residual, script } from '../child.js'
import { type RequestHandler, serve } from '../download/server.js'
import { idxData, imageFolder, photographs, tempFolder } from '../tiny.js'

const FILE = 'resnet18-f37072fd.pth'

/** Arguments that limit a run to one step. */
const SHORT = ['budget.steps=1', 'batchSize=4', 'precision=fp32', 'threads=1', 'workers=1']

/** Starts a download mirror and creates an empty cache. */
async function mirror(t: ExecutionContext, handler: RequestHandler) {
  const cache = tempFolder(t)
  const { url, requests } = await serve(t, handler)
  const env = { RESIDUAL_CACHE: cache, RESIDUAL_MIRROR: url }
  return { cache, env, requested: () => requests.map((request) => request.url) }
}

const unavailable: RequestHandler = (_, response) => response.writeHead(503).end()

test('downloads default weights once and reports their size; without them, training starts from random weights', async (t) => {
  const { cache, env, requested } = await mirror(t, unavailable)
  const out = join(cache, 'run')
  const photos = photographs(cache)
  const args = ['train', photos, `out=${out}`, '--no-report', ...SHORT]
  const { status, stderr } = await residual(args, { env })
  t.is(status, 0, stderr)
  // Default weights are optional, so their download is not retried.
  t.deepEqual(requested(), [`/weights/${FILE}`])
  t.regex(
    stderr,
    /^downloading pretrained weights \(once\): resnet18-f37072fd\.pth, 46\.8 MB from 127/m,
  )
  const warning = /^warning: training starts from scratch: .* the download failed: .*503.*$/m
  t.regex(stderr, warning)
  t.true(stderr.includes(`to ${join(cache, 'weights', FILE)}`), stderr)
  t.true(stderr.indexOf('downloading') < stderr.indexOf('warning'))
  t.regex(stderr, /^ {2}weights +none +the ImageNet weights are not/m)
  t.regex(stderr, /^ {2}image size +128 +/m)

  // config.json records the decision, so the next run requests nothing.
  const repeated = await residual(
    ['train', '--config', join(out, 'config.json'), `out=${out}-2`, '--no-report'],
    { env },
  )
  t.is(repeated.status, 0, repeated.stderr)
  t.is(requested().length, 1)
  t.notRegex(repeated.stderr, /warning/)
})

/**
 * Returns the initial weights and the warning codes that `plan()` reports for each configuration.
 */
async function planWeights(env: NodeJS.ProcessEnv, ...configs: TrainConfig[]) {
  const { status, stdout, stderr } = await script(
    `import { plan } from 'residual'
    const planned = []
    for (const config of ${JSON.stringify(configs)}) {
      const short = { batchSize: 2, threads: 1, workers: 1, ...config }
      const { config: { model }, warnings } = await plan(short, { measure: false })
      planned.push({ weights: model.weights, warnings })
    }
    console.log(JSON.stringify(planned))`,
    { env },
  )
  if (status !== 0) throw new Error(stderr)
  const plans: { weights: string; warnings: WarningEvent[] }[] = JSON.parse(stdout)
  return plans.map(({ weights, warnings }) => [weights, ...warnings.map(({ code }) => code)])
}

const FALLBACK = ['none', 'E_DOWNLOAD']

test('without a network, or offline, the run starts without delay', async (t) => {
  const { cache, env, requested } = await mirror(t, unavailable)
  const data = photographs(cache)
  t.deepEqual(await planWeights({ ...env, RESIDUAL_OFFLINE: '1' }, { data }), [FALLBACK])
  t.deepEqual(await planWeights(env, { data, model: { weights: 'none' } }), [['none']])
  t.deepEqual(requested(), [])
  // No server listens on this port.
  const noServer = { ...env, RESIDUAL_MIRROR: 'http://127.0.0.1:9/' }
  t.deepEqual(await planWeights(noServer, { data }), [FALLBACK])
})

test('--offline downloads neither weights nor data sets', async (t) => {
  const { cache, env, requested } = await mirror(t, unavailable)
  const args = ['train', photographs(cache), '--offline', `out=${join(cache, 'run')}`, ...SHORT]
  const { status, stderr } = await residual(args, { env })
  t.is(status, 0, stderr)
  t.regex(stderr, /^warning: training starts from scratch: /m)
  const named = await residual(['train', 'cifar10', '--offline'], { env })
  t.is(named.status, 1)
  t.regex(named.stderr, /RESIDUAL_OFFLINE disables downloads/)
  t.deepEqual(requested(), [])
})

test('requests no default weights for small images, other layouts or other networks', async (t) => {
  const { cache, env, requested } = await mirror(t, unavailable)
  const source = photographs(cache)
  const plans = await planWeights(
    env,
    { data: imageFolder(tempFolder(t), ['a', 'b']) },
    { data: idxData(cache) },
    { data: { source, imageSize: 64 } },
    { data: source, model: 'resnet20' },
    { data: source, model: { stem: 'cifar' } },
  )
  t.deepEqual(new Set(plans.flat()), new Set(['none']))
  t.deepEqual(requested(), [])
})

test('rejects weights with a wrong checksum', async (t) => {
  const { cache, env } = await mirror(t, (_, response) => response.end('other content'))
  const data = photographs(cache)
  t.deepEqual(await planWeights(env, { data }), [FALLBACK])
  t.false(existsSync(join(cache, 'weights', FILE)))
  // A file that the user copied there is verified too.
  writeFileSync(join(cache, 'weights', FILE), 'other content')
  t.deepEqual(await planWeights(env, { data }), [FALLBACK])
})

test('an abort ends the download and the run', async (t) => {
  const { cache, env } = await mirror(t, () => {}) // never responds
  const photos = photographs(cache)
  const { status, stdout, stderr } = await script(
    `import { train, AbortError } from 'residual'
    const controller = new AbortController()
    const run = train({ data: ${JSON.stringify(photos)}, out: ${JSON.stringify(join(cache, 'run'))} }, {
      signal: controller.signal,
      onDownload: () => setTimeout(() => controller.abort(), 50),
    })
    try { await run } catch (error) { console.log(error instanceof AbortError) }`,
    { env },
  )
  t.is(status, 0, stderr)
  t.is(stdout, 'true\n')
  t.false(existsSync(join(cache, 'run')))
})

test('the warning is emitted as an event and logged to metrics.jsonl', async (t) => {
  const { cache, env } = await mirror(t, unavailable)
  const photos = photographs(cache)
  const out = join(cache, 'run')
  const { stdout } = await residual(['train', photos, '--json', `out=${out}`, ...SHORT], { env })
  const events = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  const start: StartEvent = events[0]
  t.is(start.data.medianShortSide, 130)
  t.is(start.config.optimizer.lr, 0.1 * (4 / 256))
  const warning: WarningEvent = events.find(({ type }) => type === 'warning')
  t.is(warning.code, 'E_DOWNLOAD')
  t.is(warning.file, join(cache, 'weights', FILE))
})
