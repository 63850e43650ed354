import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Maximum number of connections without an authorized request. A browser opens at most six
 * connections to a server.
 */
const MAX_UNAUTHORIZED = 64

/** Maximum number of all connections, which is more than the open pages need. */
const MAX_CONNECTIONS = 512

/**
 * Limits connections, so that programs without the token cannot lock out authorized pages. At the
 * limit, a new connection replaces the oldest one that has not sent an authorized request.
 */
export class ConnectionLimiter {
  /** Oldest first. */
  readonly #unauthorized = new Set<Socket>()

  constructor(server: Server) {
    server.maxConnections = MAX_CONNECTIONS
    server.on('connection', (socket) => this.#add(socket))
  }

  /** Exempts a connection, on which an authorized request has arrived, from the limit. */
  authorize(socket: Socket): void {
    this.#unauthorized.delete(socket)
  }

  #add(socket: Socket): void {
    for (const oldest of this.#unauthorized) {
      if (this.#unauthorized.size < MAX_UNAUTHORIZED) break
      this.#unauthorized.delete(oldest)
      oldest.destroy()
    }
    this.#unauthorized.add(socket)
    socket.once('close', () => this.#unauthorized.delete(socket))
  }
}
