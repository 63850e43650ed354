// biome-ignore-all lint/suspicious/noExplicitAny: one signature for the overloads of Electron

/**
 * The parts of Electron's API that a trainer uses. They are declared here, so that neither these
 * types nor the package need `electron`: `import * as electron from 'electron'` satisfies them.
 */

/** Electron's `utilityProcess`, which starts a child process with Node.js. */
export interface ElectronUtilityProcess {
  /** Starts a child process. */
  fork(modulePath: string, args?: string[], options?: UtilityForkOptions): UtilityChild
}

/** Options of `utilityProcess.fork()`. */
export interface UtilityForkOptions {
  stdio?: ('pipe' | 'ignore' | 'inherit')[]
  serviceName?: string
  allowLoadingUnsignedLibraries?: boolean
}

/** A child process of `utilityProcess.fork()`. */
export interface UtilityChild {
  readonly pid: number | undefined
  readonly stderr: NodeJS.ReadableStream | null
  /** Sends a message. */
  postMessage(message: unknown): void
  /** Ends the process. */
  kill(): boolean
  /** Adds a listener. */
  on(event: any, listener: (...args: any[]) => void): unknown
}

/** Electron's `app`. */
export interface ElectronApp {
  /** Adds a listener. */
  on(event: any, listener: (...args: any[]) => void): unknown
  /** Removes a listener. */
  removeListener(event: any, listener: (...args: any[]) => void): unknown
  /** Quits the application, after `before-quit`. */
  quit(): void
}

/** Electron's `powerMonitor`. */
export interface ElectronPowerMonitor {
  /** Adds a listener. */
  on(event: any, listener: (...args: any[]) => void): unknown
  /** Removes a listener. */
  removeListener(event: any, listener: (...args: any[]) => void): unknown
}

/** Electron's `ipcMain`, which answers requests of windows. */
export interface ElectronIpcMain {
  /** Registers the function that answers a channel. */
  handle(channel: string, listener: (event: any, ...args: any[]) => unknown): void
  /** Removes the function of a channel. */
  removeHandler(channel: string): void
}

/** A frame of a page. */
export interface ElectronFrame {
  readonly url: string
}

/** The page of a window. */
export interface ElectronWebContents {
  readonly id: number
  readonly mainFrame: ElectronFrame
  /** Returns whether the page is gone. */
  isDestroyed(): boolean
  /** Sends a message to the page. */
  send(channel: string, ...args: unknown[]): void
  /** Adds a listener for one event. */
  once(event: any, listener: (...args: any[]) => void): unknown
}

/** A `BrowserWindow` or `WebContentsView` of Electron. */
export interface ElectronWindow {
  readonly webContents: ElectronWebContents
}

/** Modules of Electron: the value of `import * as electron from 'electron'`, or a part of it. */
export interface ElectronModules {
  /** Starts the training process. */
  utilityProcess: ElectronUtilityProcess
  /** Receives requests of windows; needed for `addWindow()`. */
  ipcMain?: ElectronIpcMain | undefined
  /** Emits `before-quit`, on which the trainer saves the run before the application quits. */
  app?: ElectronApp | undefined
  /** Tells a shutdown of the system, which must not be delayed, from a quit by the user. */
  powerMonitor?: ElectronPowerMonitor | undefined
}
