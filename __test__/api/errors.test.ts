import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import {
  AbortError,
  dashboard,
  type ErrorCode,
  evaluate,
  exitStatus,
  loadModel,
  predict,
  ResidualError,
  type TrainConfig,
  train,
} from 'residual'
import { ROOT, script } from '../child.js'
import { imageFolder, tempFolder, tinyConfig } from '../tiny.js'

test('every error has a hint', (t) => {
  for (const code of Object.keys(exitStatus) as ErrorCode[]) {
    const { hint } = new ResidualError({ code, message: 'x' })
    t.regex(hint, /^[A-Z`].*\.$/, code)
    t.is(new ResidualError({ code, message: 'x', hint: 'Do that.' }).hint, 'Do that.')
  }
  t.regex(new AbortError('x', '/run/last.safetensors', undefined).hint, /resume: "\/run\/last/)
  t.regex(new AbortError('x', undefined, undefined).hint, /again/)
})

/** Typical message of each code in docs/errors.md. */
const TYPICAL = new Map(
  readFileSync(join(ROOT, 'docs', 'errors.md'), 'utf8')
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.split('\n')[0], /^> (.*)$/m.exec(section)?.[1] ?? ''] as const),
)

/**
 * Codes that depend on the machine or cannot be triggered reliably. E_PLATFORM and E_INTERNAL are
 * covered by native/loading.test, E_DEVICE by doctor/doctor.test, E_PROCESS by electron/trainer.test,
 * and E_TORCH and E_MEMORY by the tests of crates/torch.
 */
const NOT_TRIGGERED: readonly ErrorCode[] = [
  'E_PLATFORM',
  'E_DEVICE',
  'E_MEMORY',
  'E_TORCH',
  'E_PROCESS',
  'E_INTERNAL',
]

test('docs/errors.md documents every code in order', (t) => {
  t.deepEqual([...TYPICAL.keys()], Object.keys(exitStatus))
  for (const [code, message] of TYPICAL) t.not(message, '', code)
})

test('the documented message of each code is an actual message', async (t) => {
  const parent = tempFolder(t)
  const at = (...path: string[]) => join(parent, ...path)
  const photos = imageFolder(parent, ['ant', 'bee'])
  const config = (more: TrainConfig) => tinyConfig(t, { epochs: 1, ...more })
  await train(config({ data: photos, out: at('runs', 'photos') }))
  const found = new Map<ErrorCode, string>()
  const fails = async (operation: () => PromiseLike<unknown>) => {
    const error = await t.throwsAsync(async () => await operation(), { instanceOf: ResidualError })
    found.set(error.code, error.message)
  }

  await fails(() => train(config({ batchSize: 0 })))
  await fails(() => train({ data: photos, optimizer: { type: 'sgd', lrr: 1 } } as object))
  await fails(() => train({}, { onEpoch: 'stop' } as object))
  const empty = at('empty', 'photos')
  await fails(() => train({ data: empty }))
  mkdirSync(empty, { recursive: true })
  await fails(() => train({ data: empty }))
  for (const file of ['images-idx3', 'labels-idx1']) {
    writeFileSync(join(empty, `train-${file}-ubyte`), Buffer.alloc(3))
  }
  await fails(() => train({ data: empty }))
  writeFileSync(at('cat.jpg'), 'a text')
  await fails(() => predict(at('runs', 'photos'), at('cat.jpg')))
  await fails(() => predict(at('runs', 'photos'), at('none', 'cat.jpg')))
  await fails(() => train(config({ out: at('runs', 'photos') })))
  await fails(() => train(config({ out: at('cat.jpg', 'runs', 'photos') })))
  await fails(() => loadModel(at('none', 'runs', 'photos')))
  const others = imageFolder(tempFolder(t), ['ant', 'bee', 'dog'])
  await fails(() => evaluate(at('runs', 'photos'), { data: others, split: 'train' }))
  const divergent: TrainConfig = { optimizer: { type: 'sgd', lr: 1e30 } }
  await fails(() => train(config(divergent)))
  const model = await loadModel(at('runs', 'photos'))
  await model.close()
  await fails(() => model.predict(at('cat.jpg')))
  const server = createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  await fails(() => dashboard(parent, { port: (server.address() as AddressInfo).port }))

  const abort = new AbortController()
  const { signal } = abort
  const run = train(config({ epochs: 100_000, out: at('long', 'photos') }), { signal })
  for await (const event of run) if (event.type === 'step') break
  const sameFolder = config({ out: at('long', 'photos'), overwrite: true })
  found.set('E_OUT_IN_USE', await messageOf(t, sameFolder, {}))
  abort.abort()
  await fails(() => run)
  found.set('E_LIBTORCH', await messageOf(t, sameFolder, { RESIDUAL_LIBTORCH: '/opt/libtorch' }))
  found.set('E_DISTRIBUTED', await messageOf(t, sameFolder, { WORLD_SIZE: '2' }))
  const offline = { RESIDUAL_OFFLINE: '1', RESIDUAL_CACHE: parent, RESIDUAL_DATA: '' }
  found.set('E_DOWNLOAD', await messageOf(t, { data: 'mnist' }, offline))

  const normalize = (message = '') =>
    message
      .replace(/\S*\/(?=photos|train-|cat)/g, '')
      .replace(/port \d+/, 'port 8265')
      .replace(/: [^:]* \(os error \d+\)$/, '')
  for (const code of Object.keys(exitStatus) as ErrorCode[]) {
    if (NOT_TRIGGERED.includes(code)) continue
    t.is(normalize(found.get(code)), normalize(TYPICAL.get(code)), code)
  }
})

/** Returns the error message of a run in a child process. */
async function messageOf(
  t: ExecutionContext,
  config: TrainConfig,
  env: NodeJS.ProcessEnv,
): Promise<string> {
  const source = `import { train } from 'residual'
    await train(${JSON.stringify(config)}).then(undefined, ({ message }) => console.log(message))`
  const { status, stdout, stderr } = await script(source, { env })
  t.is(status, 0, stderr)
  return stdout.trim()
}
