/** Tests of the session of a training process, in the process of the test. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { train } from 'residual'
import { HostSession } from '#dist/electron/host/host-session.js'
import type { HostMessage } from '#dist/electron/host/protocol.js'
import { pixels, png, tinyConfig } from '../tiny.js'

/** Returns a session, and functions that record its exit and return its next message. */
function startSession(t: ExecutionContext, flush: () => Promise<void>) {
  let receive = (_: HostMessage) => {}
  const session = new HostSession((message) => receive(message), flush)
  const nextMessage = () =>
    new Promise<HostMessage>((resolve) => {
      receive = resolve
    })
  const { exit } = process
  const state = { hasExited: false }
  process.exit = (() => {
    state.hasExited = true
  }) as typeof process.exit
  t.teardown(() => {
    process.exit = exit
  })
  return { session, nextMessage, state }
}

test.serial('the process exits after its messages are sent', async (t) => {
  let finish = () => {}
  const sent = new Promise<void>((resolve) => {
    finish = resolve
  })
  const { session, state } = startSession(t, () => sent)
  session.receive({ type: 'exit' })
  await setTimeout(20)
  t.false(state.hasExited)
  finish()
  await setTimeout(20)
  t.true(state.hasExited)
})

test.serial('the process exits if its messages cannot be sent', async (t) => {
  const { session, state } = startSession(t, () => new Promise(() => {}))
  session.receive({ type: 'exit' })
  await setTimeout(1500)
  t.true(state.hasExited)
})

test.serial('an image that cannot be read does not unload the model', async (t) => {
  const { dir } = await train(tinyConfig(t, { model: 'plain8', epochs: 1 }))
  const { session, nextMessage } = startSession(t, async () => {})
  const predict = (image: Uint8Array) => {
    const args: [string, Uint8Array, undefined, undefined] = [dir, image, undefined, undefined]
    session.receive({ type: 'call', id: 1, call: { function: 'predict', args } })
    return nextMessage()
  }
  const image = png(pixels(1, 0))
  t.is((await predict(image)).type, 'returned')
  // Only a model that is still loaded can predict.
  rmSync(join(dir, 'checkpoints'), { recursive: true })
  t.is((await predict(Buffer.from('not an image'))).type, 'threw')
  t.is((await predict(image)).type, 'returned')
})
