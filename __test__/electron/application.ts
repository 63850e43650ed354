/** Runs the example application with windows in Chromium. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ExecutionContext } from 'ava'
import type { BrowserContextOptions } from 'playwright-core'
import type { TrainConfig } from 'residual'
import type { Trainer, TrainerOptions } from 'residual/electron'
import { tempFolder } from '../tiny.js'
import { chromiumWindows, type Serve, type WindowSettings } from './chromium-window.js'
import { installExample } from './example-app.js'
import { fakeElectron } from './fake-electron.js'

/** A window of the application in Chromium. */
export type ApplicationWindow = InstanceType<ReturnType<typeof chromiumWindows>>

interface Application {
  trainer: Trainer
  serve: Serve
  openWindow(): Promise<ApplicationWindow>
}

/** Settings of runs that take seconds. */
export const SETTINGS: TrainConfig = {
  ...{ model: 'plain8', batchSize: 12, precision: 'fp32', threads: 1, workers: 1, seed: 1 },
  ...{ log: { everySteps: 1 }, checkpoint: { everySteps: 5 } },
  optimizer: { type: 'sgd', lr: 0.02 },
}

/** Answers of the dialogs: paths that the user chooses. */
export interface Dialogs {
  folder?: string
  file?: string
}

/** Starts the application with a folder for its data. */
export async function startApplication(
  t: ExecutionContext,
  dialogs: Dialogs,
  {
    userData = tempFolder(t),
    config = {} as TrainConfig,
    trainer = {} as TrainerOptions,
    options = {} as BrowserContextOptions,
  } = {},
) {
  const electron = fakeElectron()
  const settings: WindowSettings = { options, serve: (request) => application.serve(request) }
  const dialog = {
    showOpenDialog: async () => ({ filePaths: dialogs.folder ? [dialogs.folder] : [] }),
    showSaveDialog: async () => ({ filePath: dialogs.file ?? '' }),
  }
  // Pictures of the tests are small enough to be their own thumbnails.
  const nativeImage = {
    createFromPath: (path: string) => {
      const bytes = readFileSync(path)
      const isPng = bytes.subarray(1, 4).toString() === 'PNG'
      const size = (offset: number) => (isPng ? bytes.readUInt32BE(offset) : 0)
      return { getSize: () => ({ width: size(16), height: size(20) }) }
    },
  }
  const BrowserWindow = chromiumWindows(t, electron.ipcMain, settings)
  const modules = { ...electron, BrowserWindow, dialog, nativeImage }
  const module = join(installExample(tempFolder(t)), 'application.mjs')
  const { Application } = await import(pathToFileURL(module).href)
  const application: Application = new Application(
    ...[modules, userData, { restartDelay: 50, ...trainer }, { ...SETTINGS, ...config }],
  )
  t.teardown(() => application.trainer.close())
  return { application, electron, settings, userData }
}
