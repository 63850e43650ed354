import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import type { ExecutionContext } from 'ava'

/** Handles one request. */
export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void

// Enables downloads for these tests, which use local servers only; ava.config.js disables them.
process.env.RESIDUAL_OFFLINE = ''

/** A local HTTP server, closed after the test. */
export interface Server {
  /** Base URL, with a trailing slash. */
  url: string
  port: number
  requests: IncomingMessage[]
  /** Closes all connections. */
  closeConnections(): void
}

/** Starts a server that passes all requests to `handler`. */
export async function serve(t: ExecutionContext, handler: RequestHandler): Promise<Server> {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    handler(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/`,
    port,
    requests,
    closeConnections: () => server.closeAllConnections(),
  }
}

/** Serves a file with length, entity tag and range support. */
export function fileHandler(content: Buffer, etag = '"one"'): RequestHandler {
  return (request, response) => {
    const from = rangeStart(request, etag)
    const headers = { etag, 'content-length': content.length - from }
    if (from === 0) response.writeHead(200, headers)
    else {
      const range = `bytes ${from}-${content.length - 1}/${content.length}`
      response.writeHead(206, { ...headers, 'content-range': range })
    }
    response.end(content.subarray(from))
  }
}

/** Serves a file, but sends only `after` bytes of each response and keeps the connection open. */
export function stallingHandler(content: Buffer, after: number, etag = '"one"'): RequestHandler {
  return (request, response) => {
    const from = rangeStart(request, etag)
    const headers = { etag, 'content-length': content.length - from }
    const range = `bytes ${from}-${content.length - 1}/${content.length}`
    response.writeHead(
      from === 0 ? 200 : 206,
      from === 0 ? headers : { ...headers, 'content-range': range },
    )
    response.write(content.subarray(from, from + after))
  }
}

/** Returns the start offset of the requested range. */
export function rangeStart({ headers }: IncomingMessage, etag: string): number {
  const tag = headers['if-range']
  if (tag !== undefined && tag !== etag) return 0
  return Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0)
}

/** Starts a forward proxy: absolute URLs for HTTP, CONNECT tunnels for HTTPS. */
export async function proxy(t: ExecutionContext): Promise<{ url: string; proxied: string[] }> {
  const proxied: string[] = []
  const server = createServer((incoming, outgoing) => {
    proxied.push(`${incoming.method} ${incoming.url}`)
    const { url = '', headers, method } = incoming
    request(url, { method, headers }, (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers)
      response.pipe(outgoing)
    }).end()
  })
  server.on('connect', (incoming, socket, head) => {
    proxied.push(`CONNECT ${incoming.url}`)
    const [host, port] = (incoming.url ?? '').split(':')
    const target = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      target.write(head)
      target.pipe(socket).pipe(target)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, proxied }
}
