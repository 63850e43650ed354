import { createServer } from 'node:http'
import { ConnectionLimiter } from './connection-limiter.js'
import { EventStreams } from './event-streams.js'
import { listen } from './listen.js'
import { RequestGuard } from './request-guard.js'
import { Router } from './router.js'
import { RunIndex } from './run-index.js'

/**
 * Limits of each connection, so that a client that sends slowly, too much or nothing is
 * disconnected within seconds. Times in milliseconds.
 */
const CONNECTION_LIMITS = {
  /** Time to send all headers. */
  headersTimeout: 5000,
  /** Time to send a request with its body. */
  requestTimeout: 10_000,
  /** Time between requests. */
  keepAliveTimeout: 5000,
  /** Interval at which these times are checked. */
  connectionsCheckingInterval: 1000,
  /** Bytes of all headers. */
  maxHeaderSize: 16 * 1024,
}
const MAX_HEADERS = 100

/**
 * Time without any byte sent or received after which a connection is closed, in milliseconds. Event
 * streams send a heartbeat more often, unless the client does not read.
 */
const IDLE_TIMEOUT = 60_000

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
  const server = createServer(CONNECTION_LIMITS)
  server.maxHeadersCount = MAX_HEADERS
  server.timeout = IDLE_TIMEOUT
  const limiter = new ConnectionLimiter(server)
  const port = await listen(server, requestedPort)
  const [guard, runs] = [new RequestGuard(port), new RunIndex(folder)]
  const streams = new EventStreams(runs)
  const router = new Router(guard, runs, streams, limiter)
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
