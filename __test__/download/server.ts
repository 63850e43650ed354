import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import type { ExecutionContext } from 'ava'

export type Answering = (request: IncomingMessage, response: ServerResponse) => void

// Tests of downloads fetch, from servers on this machine; all others are kept from it.
process.env.RESIDUAL_OFFLINE = ''

/** A server on this machine, gone after the test. */
export interface Server {
  /** With a slash at its end. */
  url: string
  port: number
  requests: IncomingMessage[]
  /** Breaks every connection off. */
  cut(): void
}

export async function serve(t: ExecutionContext, answer: Answering): Promise<Server> {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    answer(request, response)
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
    cut: () => server.closeAllConnections(),
  }
}

/** Serves bytes as a good server does: with their length, a tag, and from where one wants. */
export function good(content: Buffer, etag = '"one"'): Answering {
  return (request, response) => {
    const from = start(request, etag)
    const headers = { etag, 'content-length': content.length - from }
    if (from === 0) response.writeHead(200, headers)
    else {
      const range = `bytes ${from}-${content.length - 1}/${content.length}`
      response.writeHead(206, { ...headers, 'content-range': range })
    }
    response.end(content.subarray(from))
  }
}

/** As `good`, and stops after so many bytes: to be cut off when they have been read. */
export function stopping(content: Buffer, after: number, etag = '"one"'): Answering {
  return (request, response) => {
    const from = start(request, etag)
    const headers = { etag, 'content-length': content.length - from }
    const range = `bytes ${from}-${content.length - 1}/${content.length}`
    response.writeHead(
      from === 0 ? 200 : 206,
      from === 0 ? headers : { ...headers, 'content-range': range },
    )
    response.write(content.subarray(from, from + after))
  }
}

/** Where a request wants to begin. */
export function start({ headers }: IncomingMessage, etag: string): number {
  const tag = headers['if-range']
  if (tag !== undefined && tag !== etag) return 0
  return Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0)
}

/** A proxy as companies have them: whole addresses for HTTP, tunnels for everything else. */
export async function proxy(t: ExecutionContext): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = []
  const server = createServer((incoming, outgoing) => {
    asked.push(`${incoming.method} ${incoming.url}`)
    const { url = '', headers, method } = incoming
    request(url, { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    }).end()
  })
  server.on('connect', (incoming, socket, head) => {
    asked.push(`CONNECT ${incoming.url}`)
    const [host, port] = (incoming.url ?? '').split(':')
    const to = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      to.write(head)
      to.pipe(socket).pipe(to)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}
