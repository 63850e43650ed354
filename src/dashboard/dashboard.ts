import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { ResidualError } from '../errors/errors.js'
import { toPath } from '../native/arguments/path.js'
import type { Served } from './server.js'

/** How the live page is served. */
export interface DashboardOptions {
  /** Default: 8265, or the next free one. */
  port?: number | undefined
}

/** A server of the live page, until it is closed; it holds the process so long. */
export class Dashboard implements AsyncDisposable {
  /** The runs folder, absolute. */
  readonly folder: string
  /** What it listens on, at 127.0.0.1. */
  readonly port: number
  /**
   * What to open in a browser: whoever has it can see the runs, and stop them. Its token becomes a
   * cookie when it is opened, and goes out of the address.
   */
  readonly url: string
  readonly #served: Served
  #closing: Promise<void> | undefined

  /** @internal */
  static async serve(folder: string, port: number | undefined): Promise<Dashboard> {
    // Loaded here: most programs serve no page.
    const { serve } = await import('./server.js')
    return new Dashboard(folder, await serve(folder, port))
  }

  private constructor(folder: string, served: Served) {
    this.#served = served
    this.folder = folder
    this.port = served.port
    this.url = `http://127.0.0.1:${served.port}/?token=${served.token}`
  }

  /** Ends the server, after the pages that are open have been told all that there is. */
  close(): Promise<void> {
    this.#closing ??= this.#served.close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/**
 * Serves a page that shows runs as they go: their curves, where they are, what they make of some
 * images; and that can stop them. It follows the folders of the runs, in whatever process they are.
 *
 * It is reached from this machine alone, and by whoever has its address.
 *
 * @example
 * await using page = await dashboard('runs')
 * console.log(page.url)
 * await train({ data: './photos', out: 'runs/photos' })
 *
 * @param folder with runs in it, or a run folder; need not be there yet
 * @throws {ResidualError} `E_PORT` if the port cannot be had; `E_USAGE` for what is no folder or
 *   port
 */
export async function dashboard(
  folder: string | URL = 'runs',
  { port }: DashboardOptions = {},
): Promise<Dashboard> {
  const path = resolve(toPath(folder, 'folder'))
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === false) {
    throw new ResidualError({
      code: 'E_USAGE',
      message: `${path} is a file, not a folder with runs`,
      at: { key: 'folder', file: path },
      hint: 'Give the folder that runs are written to, as in `dashboard runs`.',
    })
  }
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65535)) {
    throw new ResidualError({
      code: 'E_USAGE',
      message: `\`port\` must be a whole number from 0 to 65535, not ${JSON.stringify(port)}`,
      at: { key: 'port' },
      hint: 'Leave it out, and a free one is taken.',
    })
  }
  return await Dashboard.serve(path, port)
}
