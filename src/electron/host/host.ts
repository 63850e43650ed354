/**
 * Program of the training process. It trains and predicts for the main process of an application,
 * and ends with it.
 */

import { HostSession } from './host-session.js'
import type { HostMessage, HostRequest } from './protocol.js'

/** Electron's `process.parentPort`, which exists in a utility process. */
interface ParentPort {
  on(event: 'message', listener: (event: { data: unknown }) => void): void
  postMessage(message: unknown): void
}

const { parentPort } = process as NodeJS.Process & { parentPort?: ParentPort }
const heartbeatInterval = Number(process.argv[2])

const send = (message: HostMessage): void => {
  if (parentPort !== undefined) parentPort.postMessage(message)
  // After the main process has died, the channel of a forked process is closed.
  else if (process.connected) process.send?.(message, undefined, undefined, () => {})
}

const session = new HostSession(send)
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
