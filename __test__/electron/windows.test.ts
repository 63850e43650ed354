/** Tests of windows: the preload script, the requests of pages, and the messages to them. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { runInNewContext } from 'node:vm'
import test, { type ExecutionContext } from 'ava'
import {
  type BridgeResult,
  createTrainer,
  preloadPath,
  type TrainerBridge,
  type TrainerMessage,
  type WindowHandlers,
} from 'residual/electron'
import { pixels, png, tempFolder, tinyConfig } from '../tiny.js'
import { FakeWindow, fakeElectron } from './fake-electron.js'

const REQUEST = 'residual:request'

/** Runs the preload script as the sandbox of a window does, and returns what it exposes. */
function runPreload(ipcRenderer: object): Record<string, unknown> {
  const exposed: Record<string, unknown> = {}
  const contextBridge = {
    exposeInMainWorld: (name: string, value: unknown) => {
      exposed[name] = value
    },
  }
  const required: string[] = []
  const require = (name: string) => {
    required.push(name)
    if (name !== 'electron') throw new Error(`module not found: ${name}`)
    return { contextBridge, ipcRenderer }
  }
  const source = readFileSync(preloadPath, 'utf8')
  const run = runInNewContext(`(function (require, exports, module) {${source}\n})`)
  run(require, {}, { exports: {} })
  return { ...exposed, required }
}

/** Opens a window with the preload script. */
function openWindow(
  electron: ReturnType<typeof fakeElectron>,
  { url, invoked = [] as unknown[] }: { url?: string; invoked?: unknown[] } = {},
) {
  const listeners: ((event: unknown, message: unknown) => void)[] = []
  const send = (_channel: string, message: unknown) => {
    for (const listener of listeners) listener({}, message)
  }
  const window = new FakeWindow(electron.ipcMain, send, url)
  const { residual } = runPreload({
    invoke: (channel: string, ...args: unknown[]) => {
      invoked.push([channel, ...args])
      return window.invoke(channel, args)
    },
    on: (channel: string, listener: (event: unknown, message: unknown) => void) => {
      if (channel === 'residual:message') listeners.push(listener)
    },
  })
  return { window, bridge: residual as TrainerBridge }
}

function setUp(t: ExecutionContext, handlers: WindowHandlers = {}) {
  const electron = fakeElectron()
  const trainer = createTrainer({ electron, restartDelay: 20 })
  t.teardown(() => trainer.close())
  const add = () => {
    const opened = openWindow(electron)
    trainer.addWindow(opened.window, handlers)
    return opened
  }
  return { electron, trainer, add }
}

/** Collects the messages of a bridge. */
function record(bridge: TrainerBridge): TrainerMessage[] {
  const messages: TrainerMessage[] = []
  bridge.subscribe((message) => messages.push(message))
  return messages
}

const typesOf = (messages: readonly TrainerMessage[]) => messages.map(({ type }) => type)

/** Returns the code of a refused request. */
const codeOf = (result: unknown) => {
  const { ok, error } = result as { ok: boolean; error?: { code: string } }
  return ok ? 'ok' : error?.code
}

test.serial('the preload script exposes only the functions of the bridge', (t) => {
  const channels: string[] = []
  const exposed = runPreload({
    on: (channel: string) => channels.push(channel),
    invoke: (channel: string) => channels.push(channel),
  })
  t.deepEqual(exposed.required, ['electron'])
  t.deepEqual(Object.keys(exposed).sort(), ['required', 'residual'])
  const bridge = exposed.residual as TrainerBridge
  t.deepEqual(Object.keys(bridge).sort(), [
    ...['exportModel', 'pause', 'predict', 'resume', 'stop', 'subscribe', 'train'],
  ])
  bridge.subscribe(() => {})
  void bridge.stop()
  void bridge.predict(new Uint8Array(1))
  t.deepEqual([...new Set(channels)].sort(), ['residual:message', REQUEST])
  // The package exports the same file.
  const require = createRequire(import.meta.url)
  t.is(require.resolve('residual/electron/preload'), preloadPath)
})

test.serial('two windows watch one run; a later one gets the present state', async (t) => {
  const config = tinyConfig(t, { model: 'plain8', epochs: 60, log: { everySteps: 1 } })
  const { trainer, add } = setUp(t, { train: () => config })
  const first = add()
  const messages = record(first.bridge)
  t.deepEqual(await first.bridge.train(), { ok: true, value: true })
  while (!messages.some((message) => message.type === 'epoch')) await nextTurn()

  const second = add()
  const later = record(second.bridge)
  while (later.length < 3) await nextTurn()
  const [snapshot] = later
  t.true(snapshot?.type === 'snapshot' && snapshot.snapshot.status === 'running')
  t.true(snapshot?.type === 'snapshot' && snapshot.snapshot.epochs.length >= 1)
  t.true(snapshot?.type === 'snapshot' && snapshot.snapshot.steps.length >= 1)

  // Each window controls the run, and both see it.
  await second.bridge.pause()
  await until(() => lastStatus(messages) === 'paused' && lastStatus(later) === 'paused')
  await first.bridge.resume()
  await until(() => lastStatus(messages) === 'running' && lastStatus(later) === 'running')

  // A closed window does not end the run.
  second.window.destroy()
  const count = later.length
  t.is(trainer.status, 'running')
  await first.bridge.stop()
  await until(() => lastStatus(messages) === 'stopped')
  t.is(later.length, count)
  t.true(typesOf(messages).includes('end'))

  const predicted = await first.bridge.predict(new Uint8Array(png(pixels(0, 0))), { top: 2 })
  t.true(predicted.ok && predicted.value.top.length === 2)
})

test.serial('a killed host is seen by a window, which follows the resumed run', async (t) => {
  const config = tinyConfig(t, {
    ...{ model: 'plain8', epochs: 60, log: { everySteps: 1 }, checkpoint: { everySteps: 4 } },
  })
  const { trainer, add } = setUp(t, { train: () => config })
  const { bridge } = add()
  const messages = record(bridge)
  await bridge.train()
  await until(() => messages.some((message) => message.type === 'epoch'))
  process.kill(trainer.snapshot.process.pid as number, 'SIGKILL')
  await until(() => messages.some(({ type }) => type === 'start') && lastStart(messages) > 0)
  const restarting = messages.find(
    (message) => message.type === 'status' && message.status === 'restarting',
  )
  t.true(restarting?.type === 'status' && restarting.process.lastExit !== null)
  // The snapshot after the start event replaces the steps that are trained again.
  const index = messages.findLastIndex(({ type }) => type === 'start')
  await until(() => messages.slice(index).some(({ type }) => type === 'snapshot'))
  const snapshot = messages.slice(index).find((message) => message.type === 'snapshot')
  t.true(
    snapshot?.type === 'snapshot' &&
      snapshot.snapshot.steps.every(({ step }) => step <= lastStart(messages)),
  )
  await bridge.stop()
})

test.serial('requests that are not of the bridge are refused', async (t) => {
  const { add, trainer } = setUp(t)
  const { window, bridge } = add()
  const send = async (...args: unknown[]) => codeOf(await window.invoke(REQUEST, args))
  for (const message of [
    undefined,
    null,
    7,
    'stop',
    [],
    {},
    { method: 'stop' },
    { method: 'close', args: [] },
    { method: 'constructor', args: [] },
    { method: '__proto__', args: [] },
    { method: 'openRun', args: ['/etc'] },
    { method: 'stop', args: [1] },
    { method: 'pause', args: 'now' },
    { method: 'predict', args: [] },
    { method: 'predict', args: ['/etc/passwd'] },
    { method: 'predict', args: [['/etc/passwd']] },
    { method: 'predict', args: [{ data: new Uint8Array(3), width: 1, height: 1 }] },
    { method: 'predict', args: [new Uint8Array(1), 'top'] },
    { method: 'predict', args: [new Uint8Array(1), {}, { weights: '/etc' }] },
    { method: 'predict', args: [new Uint8Array(64 * 2 ** 20 + 1)] },
    { method: 'train', args: [{ data: '/', out: '/' }] },
    { method: 'train', args: [1, 2] },
    { method: 'exportModel', args: ['/etc/passwd'] },
  ]) {
    t.is(await send(message), 'E_USAGE', inspect(message, { maxArrayLength: 3 }))
  }
  t.is(trainer.status, 'idle')
  t.is(trainer.snapshot.process.pid, null)
  // There is no run whose model could predict.
  const refused = await bridge.predict(new Uint8Array(1))
  t.like(refused, { ok: false, error: { code: 'E_USAGE', name: 'ResidualError' } })
})

test.serial('other windows, frames and pages from the network are refused', async (t) => {
  const { electron, trainer, add } = setUp(t)
  const { window } = add()
  const stop = [{ method: 'stop', args: [] }]
  t.is(codeOf(await window.invoke(REQUEST, stop)), 'ok')
  const frame = { url: 'app://pictures/index.html' }
  t.is(codeOf(await window.invoke(REQUEST, stop, frame)), 'E_USAGE')
  t.is(codeOf(await window.invoke(REQUEST, stop, null)), 'E_USAGE')
  const unknown = openWindow(electron).window
  t.is(codeOf(await unknown.invoke(REQUEST, stop)), 'E_USAGE')
  for (const [url, expected] of [
    ['https://example.com/', 'E_USAGE'],
    ['http://localhost.example.com/', 'E_USAGE'],
    ['data:text/html,hello', 'E_USAGE'],
    ['about:blank', 'E_USAGE'],
    ['filesystem:https://example.com/temporary/page.html', 'E_USAGE'],
    ['http://localhost:5173/', 'ok'],
    ['file:///opt/app/index.html', 'ok'],
    ['app://pictures/', 'ok'],
  ] as const) {
    const { window } = openWindow(electron, { url })
    trainer.addWindow(window)
    t.is(codeOf(await window.invoke(REQUEST, stop)), expected, url)
  }
  const strict = openWindow(electron).window
  trainer.addWindow(strict, { isTrusted: (url) => url === 'app://other/' })
  t.is(codeOf(await strict.invoke(REQUEST, stop)), 'E_USAGE')
})

test.serial('handlers decide on runs and exports', async (t) => {
  const file = join(tempFolder(t), 'model.safetensors')
  const requests: unknown[] = []
  const config = tinyConfig(t, { model: 'plain8', epochs: 1 })
  const { add, trainer } = setUp(t, {
    train(request) {
      requests.push(request)
      if (request === 'fail') throw new Error('a bug of the application')
      return request === 'decline' ? undefined : config
    },
    exportModel: (request) => (request === 'decline' ? undefined : { path: file }),
  })
  const { bridge } = add()
  t.deepEqual(await bridge.train('decline'), { ok: true, value: false })
  t.like(await bridge.train('fail'), { ok: false, error: { code: 'E_INTERNAL' } })
  t.like(await bridge.exportModel(), { ok: false, error: { code: 'E_USAGE' } })
  t.deepEqual(await bridge.train({ epochs: 1 }), { ok: true, value: true })
  await until(() => trainer.status === 'ended')
  t.deepEqual(await bridge.exportModel('decline'), { ok: true, value: null })
  t.deepEqual(await bridge.exportModel(), { ok: true, value: file })
  t.true(readFileSync(file).length > 1000)
  t.deepEqual(requests, ['decline', 'fail', { epochs: 1 }])
})

test.serial('errors of a run reach a window with code, place and hint', async (t) => {
  const { add } = setUp(t, { train: () => ({ data: '/nowhere' }) })
  const { bridge } = add()
  const messages = record(bridge)
  await bridge.train()
  await until(() => messages.some(({ type }) => type === 'failed'))
  const failed = messages.find((message) => message.type === 'failed')
  t.like(failed, {
    error: {
      ...{ name: 'ResidualError', code: 'E_DATA_NOT_FOUND' },
      at: { key: 'data', file: '/nowhere' },
    },
  })
  t.true(failed?.type === 'failed' && failed.error.hint.includes('existing folder'))
  const result: BridgeResult<unknown> = await bridge.predict(new Uint8Array(2))
  t.false(result.ok)
})

test.serial('windows need ipcMain', (t) => {
  const { electron } = setUp(t)
  const { utilityProcess } = electron
  const trainer = createTrainer({ electron: { utilityProcess } })
  t.throws(() => trainer.addWindow(openWindow(electron).window), { code: 'E_USAGE' })
})

const nextTurn = () => new Promise((resolve) => setTimeout(resolve, 5))

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await nextTurn()
}

function lastStatus(messages: readonly TrainerMessage[]): string | undefined {
  const message = messages.findLast(({ type }) => type === 'status')
  return message?.type === 'status' ? message.status : undefined
}

function lastStart(messages: readonly TrainerMessage[]): number {
  const message = messages.findLast(({ type }) => type === 'start')
  return message?.type === 'start' ? message.startStep : -1
}
