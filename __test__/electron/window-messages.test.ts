/** Tests of the messages to windows and of their requests, with scripted training processes. */
import { setImmediate } from 'node:timers/promises'
import test from 'ava'
import { createTrainer, type TrainerMessage, type WindowHandlers } from 'residual/electron'
import { FakeWindow } from './fake-electron.js'
import { scriptedUtilityProcess, startScripted } from './scripted-host.js'

/** Adds a window, and returns the messages to its page and a function that sends its requests. */
function openWindow(
  { trainer, ipcMain }: Pick<ReturnType<typeof startScripted>, 'trainer' | 'ipcMain'>,
  handlers: WindowHandlers = {},
) {
  const messages: TrainerMessage[] = []
  const onMessage = (_channel: string, message: unknown) => messages.push(message as TrainerMessage)
  const window = new FakeWindow(ipcMain, onMessage)
  trainer.addWindow(window, handlers)
  const request = (method: string, ...args: unknown[]) =>
    window.invoke('residual:request', [{ method, args }])
  return { window, messages, request }
}

test('a window learns that its run was not started', async (t) => {
  const session = startScripted(t)
  let numHandled = 0
  const handler = () => {
    numHandled++
    return { data: '/photos' }
  }
  const { request } = openWindow(session, { train: handler })
  // Both pass the handler before one of them starts.
  const results = await Promise.all([request('train'), request('train')])
  t.like(results, [
    { ok: true, value: true },
    { ok: false, error: { code: 'E_USAGE' } },
  ])
  t.like(await request('train'), { ok: false, error: { code: 'E_USAGE' } })
  t.is(numHandled, 2)
  const { request: requestBroken } = openWindow(session, {
    train: () => ({ data: () => {} }) as never,
  })
  session.children[0]?.send({ type: 'result', result: { stopReason: 'completed' } })
  t.like(await requestBroken('train'), { ok: false, error: { code: 'E_USAGE' } })
})

test('an export without a run does not reach the handler', async (t) => {
  const session = startScripted(t)
  const { request } = openWindow(session, { exportModel: () => t.fail() as never })
  t.like(await request('exportModel'), { ok: false, error: { code: 'E_USAGE' } })
})

test('a page to which a window navigates gets no messages unless it is trusted', async (t) => {
  const session = startScripted(t)
  const { window, messages, request } = openWindow(session)
  await request('subscribe')
  t.is(messages.length, 1)
  window.webContents.mainFrame.url = 'https://example.com/'
  t.like(await request('subscribe'), { ok: false, error: { code: 'E_USAGE' } })
  void session.trainer.train({}).catch(() => {})
  await setImmediate()
  t.is(messages.length, 1)
  // The frame of a crashed page.
  Object.defineProperty(window.webContents.mainFrame, 'url', {
    configurable: true,
    get() {
      throw new Error('Render frame was disposed')
    },
  })
  t.notThrows(() => session.trainer.pause())
  Object.defineProperty(window.webContents.mainFrame, 'url', { value: 'app://pictures/index.html' })
  session.trainer.resume()
  t.is(messages.length, 2)
})

test('a window that is added twice gets each message once', async (t) => {
  const session = startScripted(t)
  const { window, messages, request } = openWindow(session)
  await request('subscribe')
  session.trainer.addWindow(window, { train: () => undefined })
  t.deepEqual(await request('train'), { ok: true, value: false })
  await request('subscribe')
  const { length } = messages
  void session.trainer.train({}).catch(() => {})
  session.trainer.pause()
  // The snapshot and the status of the run, and the status of the pause.
  t.is(messages.length, length + 3)
})

test('a second trainer for windows is refused', (t) => {
  const { ipcMain } = startScripted(t)
  const { utilityProcess } = scriptedUtilityProcess()
  t.throws(() => createTrainer({ electron: { utilityProcess, ipcMain } }), {
    code: 'E_USAGE',
    message: 'another trainer answers the requests of windows',
  })
})
