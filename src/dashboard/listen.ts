import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ResidualError } from '../errors/errors.js'

/** Address that is reachable only from this machine. */
const LOOPBACK = '127.0.0.1'

const DEFAULT_PORT = 8265
/** Number of ports, from the default port on, that are tried before any free port is used. */
const NUM_DEFAULT_PORTS = 10

/**
 * Listens on the requested port; without one, on the first free default port or on any free port.
 *
 * @returns the port
 * @throws {ResidualError} `E_PORT`
 */
export async function listen(server: Server, requested: number | undefined): Promise<number> {
  const ports = requested === undefined ? [...defaultPorts(), 0] : [requested]
  for (const [index, port] of ports.entries()) {
    try {
      await listenOn(server, port)
      return (server.address() as AddressInfo).port
    } catch (cause) {
      if (index === ports.length - 1) throw portError(port, cause as NodeJS.ErrnoException)
    }
  }
  throw new Error('unreachable')
}

function defaultPorts(): number[] {
  return Array.from({ length: NUM_DEFAULT_PORTS }, (_, index) => DEFAULT_PORT + index)
}

function listenOn(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error) => {
      server.off('listening', onListening)
      reject(error)
    }
    const onListening = () => {
      server.off('error', onError)
      resolve()
    }
    server.once('error', onError).once('listening', onListening)
    server.listen({ port, host: LOOPBACK, exclusive: true })
  })
}

function portError(port: number, cause: NodeJS.ErrnoException): ResidualError {
  const reason =
    cause.code === 'EADDRINUSE'
      ? 'another program is using it'
      : cause.code === 'EACCES'
        ? 'this user has no permission to use it'
        : cause.message
  return new ResidualError(
    {
      code: 'E_PORT',
      message: `port ${port} is not available: ${reason}`,
      at: { key: 'port' },
      hint: 'Omit the port to use a free one, or choose another port above 1023.',
    },
    { cause },
  )
}
