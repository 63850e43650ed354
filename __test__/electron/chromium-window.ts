/**
 * Windows of Electron in Chromium: the page and the preload scripts are those of the application,
 * and requests travel between Chromium and this process instead of between Electron's processes.
 */
import { EventEmitter } from 'node:events'
import { readFileSync } from 'node:fs'
import type { ExecutionContext } from 'ava'
import type { BrowserContextOptions } from 'playwright-core'
import { type OpenPage, openEmpty } from '../page/browser.js'
import type { FakeIpcMain } from './fake-electron.js'

/** Answers requests of the scheme `app:`. */
export type Serve = (request: Request) => Promise<Response>

/** Origin of the page in Chromium, which does not know the scheme `app:`. */
const ORIGIN = 'http://pictures.test'

/** Size of the window, color scheme and so on of the next windows. */
export interface WindowSettings {
  serve: Serve
  options: BrowserContextOptions
}

/** The `ipcRenderer` and `contextBridge` of a window, on the functions of the test. */
function electronOfPage(scripts: readonly string[]): string {
  return `(() => {
    const listeners = new Map()
    window.emitFromMain = (channel, ...args) => {
      for (const listener of listeners.get(channel) ?? []) listener({}, ...args)
    }
    const encode = (value) => {
      const bytes = value instanceof ArrayBuffer ? new Uint8Array(value) : value
      if (!(bytes instanceof Uint8Array)) return value
      return { base64: btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')) }
    }
    const ipcRenderer = {
      invoke: (channel, ...args) => {
        const [request = {}] = args
        const encoded = request.args ? [{ ...request, args: request.args.map(encode) }] : args
        return window.invokeMain(channel, encoded)
      },
      on: (channel, listener) => {
        listeners.set(channel, [...(listeners.get(channel) ?? []), listener])
      },
    }
    // As in Electron, values are copied between the worlds, and functions become proxies.
    const copy = (value) => {
      if (typeof value === 'function') {
        return (...args) => {
          const result = value(...args.map(copy))
          return result instanceof Promise ? result.then(copy) : copy(result)
        }
      }
      return structuredClone(value)
    }
    const contextBridge = {
      exposeInMainWorld: (name, api) => {
        const entries = Object.entries(api).map(([key, value]) => [key, copy(value)])
        Object.defineProperty(window, name, { value: Object.freeze(Object.fromEntries(entries)) })
      },
    }
    const require = (name) => {
      if (name === 'electron') return { contextBridge, ipcRenderer }
      throw new Error('module not found: ' + name)
    }
    ${scripts.map((script) => `(function (require, exports, module) {${script}\n})(require, {}, {});`).join('\n')}
  })()`
}

/** Returns a `BrowserWindow` whose windows are pages of Chromium. */
export function chromiumWindows(
  t: ExecutionContext,
  ipcMain: FakeIpcMain,
  settings: WindowSettings,
) {
  const preloadScripts: { filePath: string }[] = []
  const session = {
    getPreloadScripts: () => preloadScripts,
    registerPreloadScript: (script: { filePath: string }) => preloadScripts.push(script),
  }
  let numWindows = 0

  return class ChromiumWindow {
    static all: ChromiumWindow[] = []
    static fromWebContents = (webContents: object) =>
      ChromiumWindow.all.find((window) => window.webContents === webContents) ?? null

    readonly webContents: EventEmitter & { id: number; mainFrame: { url: string } }
    readonly preferences: Record<string, unknown>
    opened!: OpenPage
    #isDestroyed = false

    constructor({ webPreferences }: { webPreferences: Record<string, unknown> }) {
      ChromiumWindow.all.push(this)
      this.preferences = webPreferences
      this.webContents = Object.assign(new EventEmitter(), {
        id: 1000 + ++numWindows,
        mainFrame: { url: 'app://pictures/index.html' },
        session,
        isDestroyed: () => this.#isDestroyed,
        setWindowOpenHandler: () => {},
        send: (...args: unknown[]) => this.#send(args),
      })
    }

    async loadURL(url: string): Promise<void> {
      this.opened = await openEmpty(t, settings.options)
      const { page } = this.opened
      await page.exposeFunction('invokeMain', (channel: string, args: unknown[]) =>
        this.#invoke(channel, args),
      )
      const files = [...preloadScripts.map((script) => script.filePath), this.preferences.preload]
      const sources = files.map((file) => readFileSync(file as string, 'utf8'))
      await page.addInitScript(electronOfPage(sources))
      await page.route(`${ORIGIN}/**`, async (route) => {
        const path = route.request().url().slice(ORIGIN.length)
        const response = await settings.serve(new Request(`app://pictures${path}`))
        const body = Buffer.from(await response.arrayBuffer())
        const headers = Object.fromEntries(response.headers)
        await route.fulfill({ status: response.status, headers, body })
      })
      await page.goto(url.replace('app://pictures', ORIGIN))
    }

    async close(): Promise<void> {
      this.#isDestroyed = true
      this.webContents.emit('destroyed')
      await this.opened.page.close()
    }

    async #invoke(channel: string, args: unknown[]): Promise<unknown> {
      const handler = ipcMain.handlers.get(channel)
      if (handler === undefined) throw new Error(`No handler registered for '${channel}'`)
      const event = { sender: this.webContents, senderFrame: this.webContents.mainFrame }
      return structuredClone(await handler(event, ...args.map(decodeBytes)))
    }

    #send(args: unknown[]): void {
      const { page } = this.opened
      const emit = (values: unknown[]) => {
        ;(window as unknown as { emitFromMain(...values: unknown[]): void }).emitFromMain(...values)
      }
      page.evaluate(emit, structuredClone(args)).catch(() => {})
    }
  }
}

/** Replaces `{ base64 }` in the arguments of a request by bytes. */
function decodeBytes(request: unknown): unknown {
  const { args } = (request ?? {}) as { args?: unknown[] }
  if (args === undefined) return request
  const decoded = args.map((value) => {
    const { base64 } = (value ?? {}) as { base64?: string }
    return base64 === undefined ? value : new Uint8Array(Buffer.from(base64, 'base64'))
  })
  return { ...(request as object), args: decoded }
}
