/**
 * The parts of Electron that a trainer uses, on Node: tests cannot install Electron itself.
 * Messages are cloned and errors lose their properties, as in Electron.
 */
import { fork } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { join } from 'node:path'
import type { ElectronModules, UtilityChild } from 'residual/electron'
import { ROOT } from '../child.js'

const PARENT_PORT = join(ROOT, '__test__', 'electron', 'parent-port.mjs')

/** Options with which the host processes were started. */
export const forkOptions: unknown[] = []

/** Electron's `utilityProcess`. */
export const utilityProcess = {
  fork(path: string, args: string[] = [], options: Record<string, unknown> = {}): UtilityChild {
    forkOptions.push(options)
    const child = fork(path, args, {
      execArgv: ['--import', PARENT_PORT],
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    })
    const events = new EventEmitter()
    let pid = child.pid
    child.on('message', (message) => events.emit('message', message))
    child.on('close', (code, signal) => {
      pid = undefined
      // Electron passes the status of waitpid, in which a signal is a small number.
      events.emit('exit', code ?? (signal === 'SIGKILL' ? 9 : 1))
    })
    return {
      get pid() {
        return pid
      },
      stderr: child.stderr,
      postMessage: (message) => void child.send(structuredClone(message) as object, () => {}),
      kill: () => child.kill('SIGTERM'),
      on: (event, listener) => events.on(event, listener),
    }
  },
}

type Handler = (event: unknown, ...args: unknown[]) => unknown

/** Electron's `ipcMain`, to which `FakeWindow.invoke` sends requests. */
export class FakeIpcMain {
  readonly handlers = new Map<string, Handler>()

  handle(channel: string, handler: Handler): void {
    if (this.handlers.has(channel)) throw new Error(`a second handler for '${channel}'`)
    this.handlers.set(channel, handler)
  }

  removeHandler(channel: string): void {
    this.handlers.delete(channel)
  }
}

/** Electron's `app`. `quit()` asks all listeners, and records whether the application has quit. */
export class FakeApp extends EventEmitter {
  hasQuit = false

  quit(): void {
    let isPrevented = false
    this.emit('before-quit', {
      preventDefault: () => {
        isPrevented = true
      },
    })
    if (isPrevented) return
    this.hasQuit = true
    this.emit('quit')
  }
}

/** A window whose page records the messages that it receives. */
export class FakeWindow {
  static #lastId = 0
  readonly webContents: EventEmitter & {
    id: number
    mainFrame: { url: string }
    isDestroyed(): boolean
    send(channel: string, ...args: unknown[]): void
  }
  readonly #ipcMain: FakeIpcMain
  #isDestroyed = false

  constructor(
    ipcMain: FakeIpcMain,
    onMessage: (channel: string, message: unknown) => void = () => {},
    url = 'app://pictures/index.html',
  ) {
    this.#ipcMain = ipcMain
    this.webContents = Object.assign(new EventEmitter(), {
      id: ++FakeWindow.#lastId,
      mainFrame: { url },
      isDestroyed: () => this.#isDestroyed,
      send: (channel: string, message: unknown) => onMessage(channel, structuredClone(message)),
    })
  }

  /** Sends a request of the page, as `ipcRenderer.invoke` does. */
  async invoke(
    channel: string,
    args: readonly unknown[],
    frame: { url: string } | null = this.webContents.mainFrame,
  ): Promise<unknown> {
    const handler = this.#ipcMain.handlers.get(channel)
    if (handler === undefined) throw new Error(`No handler registered for '${channel}'`)
    const event = { sender: this.webContents, senderFrame: frame }
    return structuredClone(await handler(event, ...structuredClone(args)))
  }

  destroy(): void {
    this.#isDestroyed = true
    this.webContents.emit('destroyed')
  }
}

/** All modules that a trainer takes. */
export function fakeElectron() {
  const modules = {
    utilityProcess,
    ipcMain: new FakeIpcMain(),
    app: new FakeApp(),
    powerMonitor: new EventEmitter(),
  }
  return modules satisfies ElectronModules
}
