/** Tests of the start of the example application, with stand-ins for Electron's modules. */
import { EventEmitter } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { parse } from 'yaml'
import { tempFolder } from '../tiny.js'
import { EXAMPLE, installExample } from './example-app.js'
import { FakeApp, fakeElectron } from './fake-electron.js'
import { shapeFolder } from './shapes.js'

/** Electron's `app` at the start of a process. */
class StartedApp extends FakeApp {
  constructor(
    readonly userData: string,
    readonly isFirstInstance: boolean,
  ) {
    super()
  }

  requestSingleInstanceLock = () => this.isFirstInstance
  whenReady = async () => {}
  getPath = () => this.userData
}

/** Creates the modules, and records the calls of windows. */
function createModules(t: ExecutionContext, isFirstInstance = true) {
  const calls: string[] = []
  const windows: Window[] = []
  class Window {
    static getAllWindows = () => windows
    static fromWebContents = () => windows[0] ?? null
    readonly webContents = Object.assign(new EventEmitter(), {
      id: 1,
      mainFrame: { url: 'app://pictures/index.html' },
      isDestroyed: () => false,
      send: () => {},
      setWindowOpenHandler: () => {},
      session: { getPreloadScripts: () => [], registerPreloadScript: () => {} },
    })

    constructor() {
      windows.push(this)
    }

    loadURL = async () => void calls.push('open')
    isMinimized = () => true
    restore = () => void calls.push('restore')
    focus = () => void calls.push('focus')
  }
  const app = new StartedApp(tempFolder(t), isFirstInstance)
  const protocol = { registerSchemesAsPrivileged: () => {}, handle: () => {} }
  const folder = shapeFolder(tempFolder(t), 2, 2)
  const dialog = { showOpenDialog: async () => ({ filePaths: [folder] }) }
  const modules = { ...fakeElectron(), app, protocol, dialog, BrowserWindow: Window }
  return { app, calls, windows, modules }
}

/** Imports the main process, in a folder with stand-ins for the packages that it imports. */
async function importMain(
  t: ExecutionContext,
  modules: ReturnType<typeof createModules>['modules'],
  isInstallerStart = false,
) {
  const folder = installExample(tempFolder(t))
  const addPackage = (name: string, source: string) => {
    const path = join(folder, 'node_modules', name)
    mkdirSync(path)
    writeFileSync(join(path, 'package.json'), JSON.stringify({ name, main: 'index.cjs' }))
    writeFileSync(join(path, 'index.cjs'), source)
  }
  Object.assign(globalThis, { electronOfTest: modules })
  const names = Object.keys(modules).map((name) => `exports.${name} = all.${name}`)
  addPackage('electron', ['const all = globalThis.electronOfTest', ...names].join('\n'))
  addPackage('electron-squirrel-startup', `module.exports = ${isInstallerStart}`)
  await import(pathToFileURL(join(folder, 'main.mjs')).href)
}

test.serial('a second start of the application focuses the window of the first one', async (t) => {
  const { app, calls, windows, modules } = createModules(t)
  await importMain(t, modules)
  t.deepEqual(calls, ['open'])
  app.emit('second-instance')
  t.deepEqual(calls, ['open', 'restore', 'focus'])
  t.is(windows.length, 1)
  t.false(app.hasQuit)
})

test.serial('a second instance quits without a window', async (t) => {
  const { app, windows, modules } = createModules(t, false)
  await importMain(t, modules)
  t.true(app.hasQuit)
  t.is(windows.length, 0)
})

test.serial('a start by the installer of Windows quits without a window', async (t) => {
  const { app, windows, modules } = createModules(t)
  await importMain(t, modules, true)
  t.true(app.hasQuit)
  t.is(windows.length, 0)
})

test.serial('a run has the default number of threads', async (t) => {
  const { modules, windows } = createModules(t)
  const module = join(installExample(tempFolder(t)), 'application.mjs')
  const { Application } = await import(pathToFileURL(module).href)
  const application = new Application(modules, tempFolder(t))
  t.teardown(() => application.trainer.close())
  let train: ((request: unknown) => Promise<object>) | undefined
  application.trainer.addWindow = (_: unknown, handlers: { train: typeof train }) => {
    train = handlers.train
  }
  await application.openWindow()
  const chooseFolder = modules.ipcMain.handlers.get('pictures:choose-folder')
  await chooseFolder?.({ sender: windows[0]?.webContents })
  const config = await train?.({ epochs: 3 })
  t.like(config, { epochs: 3 })
  t.false('threads' in (config ?? {}))
})

test('electron-builder packs no devDependencies', (t) => {
  const { files } = parse(readFileSync(join(EXAMPLE, 'electron-builder.yml'), 'utf8'))
  // A pattern that includes node_modules would replace electron-builder's list of dependencies.
  t.deepEqual(
    files.filter((pattern: string) => pattern.includes('node_modules')),
    [],
  )
})

test('packages that the application imports are dependencies', (t) => {
  const { dependencies } = JSON.parse(readFileSync(join(EXAMPLE, 'package.json'), 'utf8'))
  const source = ['main.mjs', 'application.mjs', 'picture-folder.mjs']
    .map((file) => readFileSync(join(EXAMPLE, file), 'utf8'))
    .join('\n')
  const imports = [...source.matchAll(/ from '([^.'][^']*)'/g)].map(([, name = '']) => name)
  const packages = imports.filter((name) => !name.startsWith('node:') && name !== 'electron')
  for (const name of packages) t.true((name.split('/')[0] ?? '') in dependencies, name)
  t.true(packages.length >= 2)
})
