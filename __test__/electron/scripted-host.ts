/** A `utilityProcess` without processes: tests send the messages of its children, and end them. */
import { EventEmitter } from 'node:events'
import type { ExecutionContext } from 'ava'
import {
  createTrainer,
  type ElectronUtilityProcess,
  type TrainerOptions,
  type UtilityChild,
} from 'residual/electron'
import { fakeElectron } from './fake-electron.js'

/** A training process that does what a test calls. */
export class ScriptedChild extends EventEmitter implements UtilityChild {
  static #lastPid = 2 ** 30
  readonly pid = ++ScriptedChild.#lastPid // larger than the ids of processes
  readonly stderr = null
  readonly requests: { type: string; [key: string]: unknown }[] = []

  postMessage(message: unknown): void {
    const request = message as ScriptedChild['requests'][number]
    this.requests.push(request)
    if (request.type === 'exit') this.end(0)
  }

  /** Sends a message to the main process. */
  send(message: object): void {
    this.emit('message', message)
  }

  end(code: number): void {
    setImmediate(() => this.emit('exit', code))
  }

  kill(): boolean {
    this.end(9)
    return true
  }
}

/** Returns a `utilityProcess` and the children that it has started, which are ready. */
export function scriptedUtilityProcess() {
  const children: ScriptedChild[] = []
  const utilityProcess: ElectronUtilityProcess = {
    fork() {
      const child = new ScriptedChild()
      children.push(child)
      setImmediate(() => child.send({ type: 'ready' }))
      return child
    },
  }
  return { utilityProcess, children }
}

/** Creates a trainer whose training processes are scripted. */
export function startScripted(t: ExecutionContext, options: Omit<TrainerOptions, 'electron'> = {}) {
  const { utilityProcess, children } = scriptedUtilityProcess()
  const { ipcMain } = fakeElectron()
  const trainer = createTrainer({
    electron: { utilityProcess, ipcMain },
    ...{ restartDelay: 1, closeTimeout: 1, ...options },
  })
  // Stands for the channel of a process, which keeps this process alive.
  const channel = setInterval(() => {}, 1000)
  t.teardown(async () => {
    await trainer.close()
    clearInterval(channel)
  })
  return { trainer, children, ipcMain }
}
