import { createServer } from 'node:http'
import { EventStreams } from './event-streams.js'
import { listen } from './listen.js'
import { RequestGuard } from './request-guard.js'
import { Router } from './router.js'
import { RunIndex } from './run-index.js'

/** Limit of connections, which is more than the open pages need. */
const MAX_CONNECTIONS = 1024

/** A running dashboard server. */
export interface RunningServer {
  port: number
  /** Secret that grants access. */
  token: string
  /** Sends the remaining events to open pages and closes the server. */
  close(): Promise<void>
}

/**
 * Starts a server for the runs in a folder.
 *
 * @throws {ResidualError} `E_PORT`
 */
export async function startServer(
  folder: string,
  requestedPort: number | undefined,
): Promise<RunningServer> {
  const server = createServer()
  server.maxConnections = MAX_CONNECTIONS
  const port = await listen(server, requestedPort)
  const [guard, streams] = [new RequestGuard(port), new EventStreams()]
  const router = new Router(guard, new RunIndex(folder), streams)
  server.on('request', (request, response) => router.handle(request, response))
  // An error of one connection must not reach a training run in the same process.
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
