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
    ipcMain.handle(REQUEST_CHANNEL, (event: InvokeEvent, request: unknown) =>
      this.#answer(event, request),
    )
  }

  add({ webContents }: ElectronWindow, handlers: WindowHandlers): void {
    const { id } = webContents
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
    const isTrusted = window?.handlers.isTrusted ?? isLocalPage
    if (window !== undefined && isMainFrame && isTrusted(senderFrame.url)) return window
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

  /** Starts the messages to a page, with a snapshot. A page that was reloaded subscribes again. */
  #subscribe(window: AddedWindow): void {
    const { webContents } = window
    window.unsubscribe?.()
    window.unsubscribe = this.#trainer.subscribe((message) => {
      if (!webContents.isDestroyed()) webContents.send(MESSAGE_CHANNEL, message)
    })
  }

  async #train({ handlers }: AddedWindow, request: unknown): Promise<boolean> {
    if (handlers.train === undefined) throw noHandler('train')
    const config = await handlers.train(request)
    if (config === undefined) return false
    void this.#trainer.train(config)
    return true
  }

  async #exportModel({ handlers }: AddedWindow, request: unknown): Promise<string | null> {
    if (handlers.exportModel === undefined) throw noHandler('exportModel')
    const target = await handlers.exportModel(request)
    if (target === undefined) return null
    await this.#trainer.exportModel(this.#runFolder(), target.path, target.config)
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

function noHandler(name: keyof WindowHandlers): ResidualError {
  return new ResidualError({
    code: 'E_USAGE',
    message: `the application does not let windows call \`${name}\``,
    hint: `Pass a handler: \`trainer.addWindow(window, { ${name}(request) { ... } })\`.`,
  })
}
