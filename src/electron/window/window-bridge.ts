import { ResidualError } from '../../errors/errors.js'
import type { Prediction } from '../../native/generated.js'
import type {
  ElectronFrame,
  ElectronIpcMain,
  ElectronWebContents,
  ElectronWindow,
} from '../electron-modules.js'
import { toErrorData } from '../error-data.js'
import type { Trainer } from '../trainer.js'
import { alreadyTraining } from '../trainer-errors.js'
import { type BridgeResult, MESSAGE_CHANNEL, REQUEST_CHANNEL } from './bridge.js'
import { isLocalPage, type WindowHandlers } from './window-handlers.js'
import { parseWindowRequest, type WindowRequest } from './window-request.js'

/** Electron's `IpcMainInvokeEvent`. */
interface InvokeEvent {
  readonly sender: ElectronWebContents
  readonly senderFrame: ElectronFrame | null
}

interface AddedWindow {
  webContents: ElectronWebContents
  handlers: WindowHandlers
  /** Ends the subscription of the page; undefined before `subscribe()`. */
  unsubscribe?: () => void
}

/** Answers the requests of windows and sends them the messages of a trainer. */
export class WindowBridge {
  readonly #trainer: Trainer
  readonly #ipcMain: ElectronIpcMain
  readonly #windows = new Map<number, AddedWindow>()

  constructor(trainer: Trainer, ipcMain: ElectronIpcMain) {
    this.#trainer = trainer
    this.#ipcMain = ipcMain
    try {
      ipcMain.handle(REQUEST_CHANNEL, (event: InvokeEvent, request: unknown) =>
        this.#answer(event, request),
      )
    } catch (cause) {
      throw secondTrainer(cause)
    }
  }

  /** Adds a window. A window that was added before keeps its subscription and gets the handlers. */
  add({ webContents }: ElectronWindow, handlers: WindowHandlers): void {
    const { id } = webContents
    const added = this.#windows.get(id)
    if (added !== undefined) {
      added.handlers = handlers
      return
    }
    this.#windows.set(id, { webContents, handlers })
    webContents.once('destroyed', () => {
      this.#windows.get(id)?.unsubscribe?.()
      this.#windows.delete(id)
    })
  }

  close(): void {
    this.#ipcMain.removeHandler(REQUEST_CHANNEL)
    for (const { unsubscribe } of this.#windows.values()) unsubscribe?.()
    this.#windows.clear()
  }

  async #answer(event: InvokeEvent, request: unknown): Promise<BridgeResult<unknown>> {
    try {
      const window = this.#authorize(event)
      return { ok: true, value: await this.#handle(window, parseWindowRequest(request)) }
    } catch (error) {
      return { ok: false, error: toErrorData(error) }
    }
  }

  /** Returns the window of a request if the page of the window may send requests. */
  #authorize({ sender, senderFrame }: InvokeEvent): AddedWindow {
    const window = this.#windows.get(sender.id)
    const isMainFrame = senderFrame !== null && senderFrame === sender.mainFrame
    if (window !== undefined && isMainFrame && isTrusted(window, senderFrame)) return window
    throw new ResidualError({
      code: 'E_USAGE',
      message: 'this page may not control the trainer',
      hint: 'Pass its window to `trainer.addWindow()`; frames and pages from the network are refused.',
    })
  }

  async #handle(window: AddedWindow, request: WindowRequest): Promise<unknown> {
    switch (request.method) {
      case 'subscribe':
        this.#subscribe(window)
        return null
      case 'pause':
      case 'resume':
      case 'stop':
        this.#trainer[request.method]()
        return null
      case 'predict':
        return await this.#predict(request)
      case 'train':
        return await this.#train(window, request.request)
      case 'exportModel':
        return await this.#exportModel(window, request.request)
    }
  }

  /**
   * Starts the messages to a page, with a snapshot. A page that was reloaded subscribes again. A
   * page to which the window has navigated since gets messages only if it may send requests.
   */
  #subscribe(window: AddedWindow): void {
    const { webContents } = window
    window.unsubscribe?.()
    window.unsubscribe = this.#trainer.subscribe((message) => {
      if (canReceive(window)) webContents.send(MESSAGE_CHANNEL, message)
    })
  }

  async #train({ handlers }: AddedWindow, request: unknown): Promise<boolean> {
    if (handlers.train === undefined) throw noHandler('train')
    // A handler may open a dialog or record the run: it is not called in vain.
    if (this.#trainer.isTraining) throw alreadyTraining()
    const config = await handlers.train(request)
    if (config === undefined) return false
    // A run that cannot be started has been rejected when `train()` returns; others go on.
    await Promise.race([this.#trainer.train(config), null])
    return true
  }

  async #exportModel({ handlers }: AddedWindow, request: unknown): Promise<string | null> {
    if (handlers.exportModel === undefined) throw noHandler('exportModel')
    // The run that the page shows now, even if another one is opened during a dialog.
    const dir = this.#runFolder()
    const target = await handlers.exportModel(request)
    if (target === undefined) return null
    await this.#trainer.exportModel(dir, target.path, target.config)
    return target.path
  }

  async #predict({
    image,
    config,
  }: Extract<WindowRequest, { method: 'predict' }>): Promise<Prediction> {
    return await this.#trainer.predict(this.#runFolder(), image, config)
  }

  #runFolder(): string {
    const { dir } = this.#trainer.snapshot
    if (dir !== null) return dir
    throw new ResidualError({
      code: 'E_USAGE',
      message: 'there is no run whose model could be used',
      hint: 'Train a run first.',
    })
  }
}

/** Returns whether the page of a frame may control the trainer. */
function isTrusted({ handlers }: AddedWindow, frame: ElectronFrame): boolean {
  return (handlers.isTrusted ?? isLocalPage)(frame.url)
}

/** Returns whether a window shows a page that may get messages. */
function canReceive(window: AddedWindow): boolean {
  const { webContents } = window
  try {
    return !webContents.isDestroyed() && isTrusted(window, webContents.mainFrame)
  } catch {
    return false // The frame of a crashed page has no URL.
  }
}

function secondTrainer(cause: unknown): ResidualError {
  const message = 'another trainer answers the requests of windows'
  const hint =
    'Close it, or create a trainer without `ipcMain`: `createTrainer({ electron: { utilityProcess } })`.'
  return new ResidualError(
    { code: 'E_USAGE', message, at: { key: 'electron.ipcMain' }, hint },
    { cause },
  )
}

function noHandler(name: keyof WindowHandlers): ResidualError {
  return new ResidualError({
    code: 'E_USAGE',
    message: `the application does not let windows call \`${name}\``,
    hint: `Pass a handler: \`trainer.addWindow(window, { ${name}(request) { ... } })\`.`,
  })
}
