/** Tests of the delay of a quit, with a trainer that does nothing. */
import { EventEmitter } from 'node:events'
import { mock } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import test from 'ava'
import { QuitHandler } from '#dist/electron/quit-handler.js'
import { FakeApp } from './fake-electron.js'

function startHandler() {
  const app = new FakeApp()
  const powerMonitor = new EventEmitter()
  let finishClosing = () => {}
  const closed = new Promise<void>((resolve) => {
    finishClosing = resolve
  })
  const trainer = { isTraining: true, close: () => closed }
  new QuitHandler(app, powerMonitor, trainer)
  const quit = () => {
    app.hasQuit = false
    app.quit()
    return app.hasQuit
  }
  return { app, powerMonitor, finishClosing, quit }
}

test('after a cancelled shutdown that had begun to quit, the next quit is delayed', async (t) => {
  const { app, powerMonitor, finishClosing, quit } = startHandler()
  powerMonitor.emit('shutdown')
  t.true(quit())
  t.false(quit())
  finishClosing()
  await setImmediate()
  t.true(app.hasQuit)
})

test.serial('after a cancelled shutdown without a quit, a later quit is delayed', (t) => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const { powerMonitor, quit } = startHandler()
  powerMonitor.emit('shutdown')
  mock.timers.tick(60_000)
  t.false(quit())
})
