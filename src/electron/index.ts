/**
 * Training in an Electron application: a trainer for the main process, and a bridge for windows.
 *
 * @packageDocumentation
 */

import { fileURLToPath } from 'node:url'

export type {
  ElectronApp,
  ElectronFrame,
  ElectronIpcMain,
  ElectronModules,
  ElectronPowerMonitor,
  ElectronUtilityProcess,
  ElectronWebContents,
  ElectronWindow,
  UtilityChild,
  UtilityForkOptions,
} from './electron-modules.js'
export type { ErrorData } from './error-data.js'
export type {
  TrainerMessage,
  TrainerProcess,
  TrainerSnapshot,
  TrainerStatus,
} from './snapshot.js'
export { createTrainer, Trainer, type TrainerRunOptions } from './trainer.js'
export type { TrainerImage } from './trainer-image.js'
export type { TrainerOptions } from './trainer-options.js'
export type { BridgeResult, TrainerBridge } from './window/bridge.js'
export type { ExportRequest, WindowHandlers } from './window/window-handlers.js'

/**
 * Absolute path of the preload script, for `webPreferences.preload` of a window. The script is one
 * CommonJS file without dependencies, as the sandbox of a window needs it.
 */
export const preloadPath: string = fileURLToPath(new URL('./window/preload.cjs', import.meta.url))
