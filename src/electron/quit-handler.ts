import type { ElectronApp, ElectronPowerMonitor } from './electron-modules.js'

/** The part of a trainer that a quit needs. */
interface Closable {
  readonly isTraining: boolean
  close(): Promise<void>
}

/** Delays the quit of an application until its trainer is closed. */
export class QuitHandler implements Disposable {
  readonly #app: ElectronApp
  readonly #powerMonitor: ElectronPowerMonitor | undefined
  readonly #trainer: Closable
  #isClosed = false
  #isShutdown = false

  constructor(app: ElectronApp, powerMonitor: ElectronPowerMonitor | undefined, trainer: Closable) {
    this.#app = app
    this.#powerMonitor = powerMonitor
    this.#trainer = trainer
    app.on('before-quit', this.#beforeQuit)
    powerMonitor?.on('shutdown', this.#onShutdown)
  }

  readonly #beforeQuit = (event: { preventDefault(): void }): void => {
    if (this.#isClosed) return
    // On macOS, an application that delays its quit cancels the shutdown of the system.
    if (!this.#isShutdown) event.preventDefault()
    void this.#trainer.close().finally(() => {
      this.#isClosed = true
      if (!this.#isShutdown) this.#app.quit()
    })
  }

  readonly #onShutdown = (): void => {
    this.#isShutdown = true
  };

  [Symbol.dispose](): void {
    this.#isClosed = true
    this.#app.removeListener('before-quit', this.#beforeQuit)
    this.#powerMonitor?.removeListener('shutdown', this.#onShutdown)
  }
}
