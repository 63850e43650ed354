/**
 * Gives a process of `child_process.fork()` the interface of Electron's utility process: a
 * `process.parentPort`, whose messages are events with `data`, and no `process.send`.
 */
import { EventEmitter } from 'node:events'

const send = process.send?.bind(process)
const port = new EventEmitter()

// A port queues messages until it has a listener, as Electron's does.
port.on('newListener', (event) => {
  if (event !== 'message' || port.listenerCount('message') > 0) return
  process.on('message', (data) => port.emit('message', { data, ports: [] }))
})

Object.assign(port, {
  /** @param {unknown} message */
  postMessage(message) {
    if (process.connected) send?.(structuredClone(message), undefined, undefined, () => {})
  },
})

// A utility process ends with its parent.
process.on('disconnect', () => process.exit())
Object.defineProperty(process, 'parentPort', { value: port })
Object.defineProperty(process, 'send', { value: undefined })
