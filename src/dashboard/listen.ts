import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ResidualError } from '../errors/errors.js'

/** Reached from this machine alone. */
const LOOPBACK = '127.0.0.1'

/** Where the page is found if nothing else was asked for, and how many ports after it are tried. */
const DEFAULT_PORT = 8265
const TRIED = 10

/**
 * Listens on the port that was asked for or, if none was, on the first free one.
 *
 * @returns the port
 * @throws {ResidualError} `E_PORT`
 */
export async function listen(server: Server, wanted: number | undefined): Promise<number> {
  const ports = wanted === undefined ? [...defaults(), 0] : [wanted]
  for (const [index, port] of ports.entries()) {
    try {
      await listenOn(server, port)
      return (server.address() as AddressInfo).port
    } catch (cause) {
      if (index === ports.length - 1) throw notFree(port, cause as NodeJS.ErrnoException)
    }
  }
  throw new Error('unreachable')
}

function defaults(): number[] {
  return Array.from({ length: TRIED }, (_, index) => DEFAULT_PORT + index)
}

function listenOn(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => {
      server.off('listening', listening)
      reject(error)
    }
    const listening = () => {
      server.off('error', failed)
      resolve()
    }
    server.once('error', failed).once('listening', listening)
    server.listen({ port, host: LOOPBACK, exclusive: true })
  })
}

function notFree(port: number, cause: NodeJS.ErrnoException): ResidualError {
  const why =
    cause.code === 'EADDRINUSE'
      ? 'another program listens on it'
      : cause.code === 'EACCES'
        ? 'this user may not listen on it'
        : cause.message
  return new ResidualError(
    {
      code: 'E_PORT',
      message: `port ${port} cannot be had: ${why}`,
      at: { key: 'port' },
      hint: 'Leave the port out, and a free one is taken; or name another above 1023.',
    },
    { cause },
  )
}
