import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, extname, join, normalize, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createTrainer, preloadPath } from 'residual/electron'
import { PictureFolder } from './picture-folder.mjs'

/** @typedef {import('residual').TrainConfig} TrainConfig */

const ROOT = dirname(fileURLToPath(import.meta.url))
const PAGES = join(ROOT, 'renderer')

/** Size of a thumbnail in pixels, for screens with two pixels per point. */
const THUMBNAIL_SIZE = 192

const TYPES = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript' }

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** The application: one folder of pictures, one trainer, and any number of windows. */
export class Application {
  /** @type {PictureFolder | undefined} */
  #folder

  /**
   * @param {typeof import('electron')} electron
   * @param {string} userData folder for runs and settings
   * @param {Omit<import('residual/electron').TrainerOptions, 'electron'>} [options]
   * @param {TrainConfig} [settings] settings of all runs
   */
  constructor(electron, userData, options = {}, settings = {}) {
    this.electron = electron
    this.userData = userData
    this.settings = settings
    this.trainer = createTrainer({ ...options, electron })
    const { ipcMain } = electron
    ipcMain.handle('pictures:choose-folder', (event) => this.#chooseFolder(event.sender))
    ipcMain.handle('pictures:current-folder', () => this.#folder?.summary() ?? null)
    this.ready = this.#restore()
  }

  async openWindow() {
    await this.ready
    const window = new this.electron.BrowserWindow({
      width: 1100,
      height: 800,
      minWidth: 360,
      minHeight: 480,
      title: 'Pictures',
      webPreferences: {
        preload: join(ROOT, 'preload.cjs'),
        contextIsolation: true,
        sandbox: true,
        nodeIntegration: false,
      },
    })
    const { session } = window.webContents
    if (!session.getPreloadScripts().some(({ filePath }) => filePath === preloadPath)) {
      session.registerPreloadScript({ type: 'frame', filePath: preloadPath })
    }
    window.webContents.setWindowOpenHandler(() => ({ action: 'deny' }))
    window.webContents.on('will-navigate', (event) => event.preventDefault())
    this.trainer.addWindow(window, {
      isTrusted: (url) => url.startsWith('app://pictures/'),
      train: (request) => this.#config(request),
      exportModel: () => this.#exportTarget(window),
    })
    await window.loadURL('app://pictures/index.html')
    return window
  }

  /** Focuses a window, or opens one if there is none. */
  async showWindow() {
    const [window] = this.electron.BrowserWindow.getAllWindows()
    if (window === undefined) return await this.openWindow()
    if (window.isMinimized()) window.restore()
    window.focus()
    return window
  }

  /**
   * Answers a request of a page: a file of the page, or a thumbnail.
   *
   * @param {Request} request
   * @returns {Promise<Response>}
   */
  async serve(request) {
    const { pathname } = new URL(request.url)
    const thumbnail = /^\/thumbnails\/(\d+)\/(\d+)$/.exec(pathname)
    try {
      return thumbnail
        ? await this.#thumbnail(Number(thumbnail[1]), Number(thumbnail[2]))
        : await servePage(decodeURIComponent(pathname))
    } catch {
      return new Response('not found', { status: 404 })
    }
  }

  /**
   * @param {number} index
   * @param {number} position
   */
  async #thumbnail(index, position) {
    const path = this.#folder?.classes[index]?.files[position]
    if (path === undefined) return new Response('not found', { status: 404 })
    const image = this.electron.nativeImage.createFromPath(path)
    const { width, height } = image.getSize()
    const side = width > height ? { height: THUMBNAIL_SIZE } : { width: THUMBNAIL_SIZE }
    const isLarge = Math.min(width, height) > THUMBNAIL_SIZE
    const bytes = isLarge ? image.resize(side).toPNG() : await readFile(path)
    return new Response(new Uint8Array(bytes), { headers: { 'cache-control': 'no-store' } })
  }

  /** @param {import('electron').WebContents} sender */
  async #chooseFolder(sender) {
    const { BrowserWindow, dialog } = this.electron
    const window = BrowserWindow.fromWebContents(sender)
    if (window === null) return null
    const { filePaths } = await dialog.showOpenDialog(window, {
      title: 'Choose a folder of pictures',
      properties: ['openDirectory'],
    })
    const [path] = filePaths
    if (path === undefined) return null
    this.#folder = await PictureFolder.read(path)
    await this.#save()
    return this.#folder.summary()
  }

  /**
   * Returns the configuration of a run. The page chooses only the number of epochs.
   *
   * @param {unknown} request
   * @returns {Promise<TrainConfig | undefined>}
   */
  async #config(request) {
    const { epochs, resume } = /** @type {{ epochs?: unknown, resume?: unknown }} */ (request ?? {})
    const { dir } = this.trainer.snapshot
    if (resume === true && dir !== null) return { resume: dir }
    if (this.#folder === undefined) return undefined
    if (!Number.isInteger(epochs) || Number(epochs) < 1 || Number(epochs) > 1000) return undefined
    const out = join(this.userData, 'runs', new Date().toISOString().replace(/\W/g, '-'))
    await this.#save(out)
    return {
      data: this.#folder.path,
      epochs: Number(epochs),
      out,
      checkpoint: { everySteps: 50 },
      ...this.settings,
    }
  }

  /** @param {import('electron').BrowserWindow} window */
  async #exportTarget(window) {
    const { filePath } = await this.electron.dialog.showSaveDialog(window, {
      title: 'Export the model',
      defaultPath: 'model.onnx',
      filters: [
        { name: 'ONNX', extensions: ['onnx'] },
        { name: 'Weights (safetensors)', extensions: ['safetensors'] },
      ],
    })
    if (!filePath) return undefined
    const isOnnx = extname(filePath) === '.onnx'
    return { path: filePath, config: isOnnx ? { softmax: true, normalization: true } : {} }
  }

  get #stateFile() {
    return join(this.userData, 'pictures.json')
  }

  /** @param {string | null} [run] */
  async #save(run = this.trainer.snapshot.dir) {
    await mkdir(this.userData, { recursive: true })
    await writeFile(this.#stateFile, JSON.stringify({ folder: this.#folder?.path ?? null, run }))
  }

  /** Reads the state of the last session. A file that is damaged or missing is an empty state. */
  async #readState() {
    try {
      return JSON.parse(await readFile(this.#stateFile, 'utf8')) ?? {}
    } catch {
      return {}
    }
  }

  /** Opens the folder and the run of the last session, if they still exist. */
  async #restore() {
    const { folder, run } = await this.#readState()
    if (typeof folder === 'string') {
      this.#folder = await PictureFolder.read(folder).catch(() => undefined)
    }
    if (typeof run === 'string') await this.trainer.openRun(run).catch(() => {})
  }
}

/** @param {string} pathname */
async function servePage(pathname) {
  const path = normalize(join(PAGES, pathname === '/' ? 'index.html' : pathname))
  if (!path.startsWith(PAGES + sep)) return new Response('not found', { status: 404 })
  const type = TYPES[/** @type {keyof typeof TYPES} */ (extname(path))]
  return new Response(await readFile(path), {
    headers: {
      'content-type': `${type}; charset=utf-8`,
      'content-security-policy': CONTENT_SECURITY_POLICY,
      'x-content-type-options': 'nosniff',
    },
  })
}
