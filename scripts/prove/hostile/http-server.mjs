// A local HTTP server whose responses an attack determines.

import { once } from 'node:events'
import { createServer } from 'node:http'

/** @typedef {import('node:http').RequestListener} Handler */

/**
 * Starts a server on 127.0.0.1.
 *
 * @param {Handler} handler
 */
export async function serve(handler) {
  const server = createServer(handler).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  return {
    port,
    url: `http://127.0.0.1:${port}/`,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
