import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { ResidualError } from '../errors/errors.js'
import { toPath } from '../native/arguments/path.js'
import type { RunningServer } from './server.js'

/** Options of `dashboard()`. */
export interface DashboardOptions {
  /** Port to listen on. Default: 8265, or the next free port. */
  port?: number | undefined
}

/** A running dashboard server. The server keeps the process alive until it is closed. */
export class Dashboard implements AsyncDisposable {
  /** Absolute path of the folder of runs. */
  readonly folder: string
  /** Port on 127.0.0.1. */
  readonly port: number
  /**
   * URL for the browser. Its token grants permission to view and to stop runs. The server exchanges
   * the token for a cookie and redirects to a URL without it.
   */
  readonly url: string
  readonly #server: RunningServer
  #closing: Promise<void> | undefined

  /** @internal */
  static async serve(folder: string, port: number | undefined): Promise<Dashboard> {
    // Imported on first use: most programs serve no page.
    const { startServer } = await import('./server.js')
    return new Dashboard(folder, await startServer(folder, port))
  }

  private constructor(folder: string, server: RunningServer) {
    this.#server = server
    this.folder = folder
    this.port = server.port
    this.url = `http://127.0.0.1:${server.port}/?token=${server.token}`
  }

  /** Sends the remaining events to open pages and closes the server. */
  close(): Promise<void> {
    this.#closing ??= this.#server.close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/**
 * Serves a web page that shows runs while they train: training curves, progress, sample
 * predictions, and a button to stop a run. The page reads the run folders, so any process may train
 * the runs.
 *
 * The server is reachable only from this machine, and only with the token in its URL.
 *
 * @example
 * await using page = await dashboard('runs')
 * console.log(page.url)
 * await train({ data: './photos', out: 'runs/photos' })
 *
 * @param folder a folder of runs, or a run folder; it may not exist yet
 * @throws {ResidualError} `E_PORT` if the port is not available, `E_USAGE` if the path is a file or
 *   the port is invalid
 */
export async function dashboard(
  folder: string | URL = 'runs',
  { port }: DashboardOptions = {},
): Promise<Dashboard> {
  const path = resolve(toPath(folder, 'folder'))
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === false) {
    throw new ResidualError({
      code: 'E_USAGE',
      message: `${path} is a file, not a folder of runs`,
      at: { key: 'folder', file: path },
      hint: 'Pass the folder that contains the runs, as in `dashboard runs`.',
    })
  }
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65535)) {
    throw new ResidualError({
      code: 'E_USAGE',
      message: `\`port\` must be a whole number from 0 to 65535, not ${JSON.stringify(port)}`,
      at: { key: 'port' },
      hint: 'Omit the port to use a free one.',
    })
  }
  return await Dashboard.serve(path, port)
}
