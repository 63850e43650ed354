/**
 * Training in an Electron application: a trainer for the main process, and a bridge for windows.
 *
 * @packageDocumentation
 */

import { requireFromPackage } from '../native/loading/package-files.js'

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
 * CommonJS file without dependencies, as the sandbox of a window needs it. Empty if the files of
 * the package are missing, which `createTrainer()` reports.
 */
export const preloadPath: string = findPreload()

function findPreload(): string {
  try {
    return requireFromPackage().resolve('./dist/electron/window/preload.cjs')
  } catch {
    // An import does not throw; createTrainer() reports that the files of the package are missing.
    return ''
  }
}
