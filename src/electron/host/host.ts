/**
 * Program of the training process. It trains and predicts for the main process of an application,
 * and ends with it.
 */

import { setTimeout } from 'node:timers/promises'
import { HostSession } from './host-session.js'
import type { HostMessage, HostRequest } from './protocol.js'

/** Electron's `process.parentPort`, which exists in a utility process. */
interface ParentPort {
  on(event: 'message', listener: (event: { data: unknown }) => void): void
  postMessage(message: unknown): void
}

/** Time in ms in which a port of Electron sends its messages. */
const PORT_FLUSH_TIME = 100

const { parentPort } = process as NodeJS.Process & { parentPort?: ParentPort }
const heartbeatInterval = Number(process.argv[2])

const send = (message: HostMessage): void => {
  if (parentPort !== undefined) parentPort.postMessage(message)
  // After the main process has died, the channel of a forked process is closed.
  else if (process.connected) process.send?.(message, undefined, undefined, () => {})
}

/** Resolves when the messages are in the channel, which keeps them after the process has exited. */
const flush = async (): Promise<void> => {
  // A port of Electron does not report when a message is sent.
  if (parentPort !== undefined) await setTimeout(PORT_FLUSH_TIME)
  else if (process.connected) {
    const last: HostMessage = { type: 'heartbeat' }
    await new Promise<void>((resolve) => {
      process.send?.(last, undefined, undefined, () => resolve())
    })
  }
}

const session = new HostSession(send, flush)
if (parentPort !== undefined) {
  parentPort.on('message', ({ data }) => session.receive(data as HostRequest))
} else {
  process.on('message', (message) => session.receive(message as HostRequest))
  process.on('disconnect', () => session.receive({ type: 'exit' }))
}
// Ctrl-C in a terminal reaches all processes of the application; the main process decides.
for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})
process.on('SIGTERM', () => session.receive({ type: 'exit' }))

setInterval(() => send({ type: 'heartbeat' }), heartbeatInterval)
send({ type: 'ready' })
