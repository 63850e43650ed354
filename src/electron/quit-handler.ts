import type { ElectronApp, ElectronPowerMonitor } from './electron-modules.js'

/** The part of a trainer that a quit needs. */
interface Closable {
  readonly isTraining: boolean
  close(): Promise<void>
}

/**
 * Time in ms after which a shutdown of the system that has not ended the application was cancelled.
 */
const SHUTDOWN_TIMEOUT = 30_000

/** Delays the quit of an application until its trainer is closed. */
export class QuitHandler implements Disposable {
  readonly #app: ElectronApp
  readonly #powerMonitor: ElectronPowerMonitor | undefined
  readonly #trainer: Closable
  #isClosed = false
  #isShutdown = false
  #shutdownTimer: NodeJS.Timeout | undefined

  constructor(app: ElectronApp, powerMonitor: ElectronPowerMonitor | undefined, trainer: Closable) {
    this.#app = app
    this.#powerMonitor = powerMonitor
    this.#trainer = trainer
    app.on('before-quit', this.#beforeQuit)
    powerMonitor?.on('shutdown', this.#onShutdown)
  }

  readonly #beforeQuit = (event: { preventDefault(): void }): void => {
    if (this.#isClosed) return
    const isShutdown = this.#isShutdown
    // Another program may cancel the shutdown after this quit: the next quit is delayed again.
    this.#endShutdown()
    // On macOS, an application that delays its quit cancels the shutdown of the system.
    if (!isShutdown) event.preventDefault()
    void this.#trainer.close().finally(() => {
      this.#isClosed = true
      if (!isShutdown) this.#app.quit()
    })
  }

  readonly #onShutdown = (): void => {
    this.#endShutdown()
    this.#isShutdown = true
    this.#shutdownTimer = setTimeout(this.#endShutdown, SHUTDOWN_TIMEOUT).unref()
  }

  readonly #endShutdown = (): void => {
    clearTimeout(this.#shutdownTimer)
    this.#isShutdown = false
  };

  [Symbol.dispose](): void {
    this.#isClosed = true
    this.#endShutdown()
    this.#app.removeListener('before-quit', this.#beforeQuit)
    this.#powerMonitor?.removeListener('shutdown', this.#onShutdown)
  }
}
