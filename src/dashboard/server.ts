import { createServer } from 'node:http'
import { Streams } from './event-streams.js'
import { listen } from './listen.js'
import { Guard } from './request-guard.js'
import { Pages } from './router.js'
import { Runs } from './run-index.js'

/** More than pages ever open, and few enough to be harmless. */
const MOST_CONNECTIONS = 1024

/** A server of the live page that listens. */
export interface Served {
  port: number
  /** Who has it may come in. */
  token: string
  /** Ends it, after the pages that are open have been told all that there is. */
  close(): Promise<void>
}

/**
 * Serves the runs in a folder.
 *
 * @throws {ResidualError} `E_PORT`
 */
export async function serve(folder: string, wanted: number | undefined): Promise<Served> {
  const server = createServer()
  server.maxConnections = MOST_CONNECTIONS
  const port = await listen(server, wanted)
  const [guard, streams] = [new Guard(port), new Streams()]
  const pages = new Pages(guard, new Runs(folder), streams)
  server.on('request', (request, response) => pages.answer(request, response))
  // A failure here is one connection's, and must not reach whoever trains in this process.
  server.on('error', () => {})
  return {
    port,
    token: guard.token,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      await streams.close()
      server.closeAllConnections()
      await closed
    },
  }
}
