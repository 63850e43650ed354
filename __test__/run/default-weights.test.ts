/** What a run on a folder of photographs does about weights that nobody asked for. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { StartEvent, TrainConfig, WarningEvent } from 'residual'
import { residual, script } from '../child.js'
import { type RequestHandler, serve } from '../download/server.js'
import { folder, idxData, imageFolder, photographs } from '../tiny.js'

const FILE = 'resnet18-f37072fd.pth'

/** One step, so that it takes seconds. */
const BRIEF = ['budget.steps=1', 'batchSize=4', 'precision=fp32', 'threads=1', 'workers=1']

/** A mirror, and an empty cache. */
async function mirror(t: ExecutionContext, answer: RequestHandler) {
  const cache = folder(t)
  const { url, requests } = await serve(t, answer)
  const env = { RESIDUAL_CACHE: cache, RESIDUAL_MIRROR: url }
  return { cache, env, asked: () => requests.map((request) => request.url) }
}

const refusing: RequestHandler = (_, response) => response.writeHead(503).end()

test('downloads default weights once and reports their size; without them, training starts from random weights', async (t) => {
  const { cache, env, asked } = await mirror(t, refusing)
  const out = join(cache, 'run')
  const photos = photographs(cache)
  const args = ['train', photos, `out=${out}`, '--no-report', ...BRIEF]
  const { status, stderr } = await residual(args, { env })
  t.is(status, 0, stderr)
  // Once: who did not ask does not wait for a second try.
  t.deepEqual(asked(), [`/weights/${FILE}`])
  t.regex(
    stderr,
    /^fetching weights to begin from, once: resnet18-f37072fd\.pth, 46\.8 MB from 127/m,
  )
  const warning = /^warning: training starts from scratch: .* the download failed: .*503.*$/m
  t.regex(stderr, warning)
  t.true(stderr.includes(`to ${join(cache, 'weights', FILE)}`), stderr)
  t.true(stderr.indexOf('fetching') < stderr.indexOf('warning'))
  t.regex(stderr, /^ {2}weights +none +ImageNet's/m)
  t.regex(stderr, /^ {2}image size +128 +/m)

  // What was decided is written down, and needs nothing the next time.
  const again = await residual(
    ['train', '--config', join(out, 'config.json'), `out=${out}-2`, '--no-report'],
    { env },
  )
  t.is(again.status, 0, again.stderr)
  t.is(asked().length, 1)
  t.notRegex(again.stderr, /warning/)
})

/** What runs with these configurations would begin from, and the codes of what they would warn of. */
async function planned(env: NodeJS.ProcessEnv, ...configs: TrainConfig[]) {
  const { status, stdout, stderr } = await script(
    `import { plan } from 'residual'
    const planned = []
    for (const config of ${JSON.stringify(configs)}) {
      const brief = { batchSize: 2, threads: 1, workers: 1, ...config }
      const { config: { model }, warnings } = await plan(brief, { measure: false })
      planned.push({ weights: model.weights, warnings })
    }
    console.log(JSON.stringify(planned))`,
    { env },
  )
  if (status !== 0) throw new Error(stderr)
  const plans: { weights: string; warnings: WarningEvent[] }[] = JSON.parse(stdout)
  return plans.map(({ weights, warnings }) => [weights, ...warnings.map(({ code }) => code)])
}

const MISSED = ['none', 'E_DOWNLOAD']

test('without a network, or offline, the run starts without delay', async (t) => {
  const { cache, env, asked } = await mirror(t, refusing)
  const data = photographs(cache)
  t.deepEqual(await planned({ ...env, RESIDUAL_OFFLINE: '1' }, { data }), [MISSED])
  t.deepEqual(await planned(env, { data, model: { weights: 'none' } }), [['none']])
  t.deepEqual(asked(), [])
  // A port on which nobody listens.
  const nobody = { ...env, RESIDUAL_MIRROR: 'http://127.0.0.1:9/' }
  t.deepEqual(await planned(nobody, { data }), [MISSED])
})

test('--offline downloads neither weights nor data sets', async (t) => {
  const { cache, env, asked } = await mirror(t, refusing)
  const args = ['train', photographs(cache), '--offline', `out=${join(cache, 'run')}`, ...BRIEF]
  const { status, stderr } = await residual(args, { env })
  t.is(status, 0, stderr)
  t.regex(stderr, /^warning: training starts from scratch: /m)
  const named = await residual(['train', 'cifar10', '--offline'], { env })
  t.is(named.status, 1)
  t.regex(named.stderr, /RESIDUAL_OFFLINE disables downloads/)
  t.deepEqual(asked(), [])
})

test('requests no default weights for small images, other layouts or other networks', async (t) => {
  const { cache, env, asked } = await mirror(t, refusing)
  const source = photographs(cache)
  const plans = await planned(
    env,
    { data: imageFolder(folder(t), ['a', 'b']) },
    { data: idxData(cache) },
    { data: { source, imageSize: 64 } },
    { data: source, model: 'resnet20' },
    { data: source, model: { stem: 'cifar' } },
  )
  t.deepEqual(new Set(plans.flat()), new Set(['none']))
  t.deepEqual(asked(), [])
})

test('rejects weights with a wrong checksum', async (t) => {
  const { cache, env } = await mirror(t, (_, response) => response.end('something else'))
  const data = photographs(cache)
  t.deepEqual(await planned(env, { data }), [MISSED])
  t.false(existsSync(join(cache, 'weights', FILE)))
  // Put by hand, they are not believed either.
  writeFileSync(join(cache, 'weights', FILE), 'something else')
  t.deepEqual(await planned(env, { data }), [MISSED])
})

test('an abort ends the download and the run', async (t) => {
  const { cache, env } = await mirror(t, () => {}) // never answers
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
  const { cache, env } = await mirror(t, refusing)
  const photos = photographs(cache)
  const out = join(cache, 'run')
  const { stdout } = await residual(['train', photos, '--json', `out=${out}`, ...BRIEF], { env })
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
