import { statSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { resolve } from 'node:path'
import { ResidualError } from '../errors.js'
import { toPath } from '../path.js'
import { Guard } from './guard.js'
import { listen } from './listen.js'
import { Pages } from './pages.js'
import { Runs } from './runs.js'
import { Streams } from './stream.js'

/** How the live page is served. */
export interface DashboardOptions {
  /** Default: 8265, or the next free one. */
  port?: number | undefined
}

/** More than pages ever open, and few enough to be harmless. */
const MOST_CONNECTIONS = 1024

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
  readonly #server: Server
  readonly #streams: Streams
  #closing: Promise<void> | undefined

  /** @internal */
  static async serve(folder: string, port: number | undefined): Promise<Dashboard> {
    const server = createServer()
    server.maxConnections = MOST_CONNECTIONS
    const bound = await listen(server, port)
    const [guard, streams] = [new Guard(bound), new Streams()]
    const pages = new Pages(guard, new Runs(folder), streams)
    server.on('request', (request, response) => pages.answer(request, response))
    // A failure here is one connection's, and must not reach whoever trains in this process.
    server.on('error', () => {})
    return new Dashboard(server, streams, folder, bound, guard.token)
  }

  private constructor(
    server: Server,
    streams: Streams,
    folder: string,
    port: number,
    token: string,
  ) {
    this.#server = server
    this.#streams = streams
    this.folder = folder
    this.port = port
    this.url = `http://127.0.0.1:${port}/?token=${token}`
  }

  /** Ends the server, after the pages that are open have been told all that there is. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    await this.#streams.close()
    this.#server.closeAllConnections()
    await closed
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
