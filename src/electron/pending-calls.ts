import { fromErrorData } from './error-data.js'
import type { HostMessage } from './host/protocol.js'

interface PendingCall {
  resolve(value: unknown): void
  reject(error: unknown): void
}

/** Calls of functions in the training process that have not returned. */
export class PendingCalls {
  readonly #calls = new Map<number, PendingCall>()
  #nextId = 1

  /** Returns the result of a call that `send` sends with its id. */
  add(send: (id: number) => void): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++
      send(id)
      this.#calls.set(id, { resolve, reject })
    })
  }

  settle(message: Extract<HostMessage, { id: number }>): void {
    const call = this.#calls.get(message.id)
    this.#calls.delete(message.id)
    if (message.type === 'returned') call?.resolve(message.value)
    else call?.reject(fromErrorData(message.error))
  }

  rejectAll(error: Error): void {
    for (const { reject } of this.#calls.values()) reject(error)
    this.#calls.clear()
  }
}
