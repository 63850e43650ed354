import { type IncomingHttpHeaders, type RequestOptions, request } from 'node:http'
import type { ExecutionContext } from 'ava'
import { type Dashboard, type DashboardOptions, dashboard } from 'residual'

/** A response with its complete body. */
export interface CompleteResponse {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

/** Starts a dashboard server that is closed at the end of the test. */
export async function startDashboard(
  t: ExecutionContext,
  folder: string,
  options: DashboardOptions = { port: 0 },
): Promise<Dashboard> {
  const page = await dashboard(folder, options)
  t.teardown(() => page.close())
  return page
}

/** Sends a request without normalizing the path, as `fetch` would. */
export function send(
  { port }: Pick<Dashboard, 'port'>,
  path: string,
  { headers = {}, ...options }: RequestOptions = {},
): Promise<CompleteResponse> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, headers, agent: false, ...options })
    sent.on('error', reject)
    sent.on('response', (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text) => {
        body += text
      })
      response.on('error', reject)
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body })
      })
    })
    sent.end()
  })
}

/** Requests the dashboard's URL with the token, and returns the session cookie. */
export async function login(page: Pick<Dashboard, 'url' | 'port'>): Promise<string> {
  const { pathname, search } = new URL(page.url)
  const { headers } = await send(page, `${pathname}${search}`)
  return headers['set-cookie']?.[0]?.split(';')[0] ?? ''
}

/** A server-sent event. */
export interface ServerEvent {
  id: string
  event: string
  // biome-ignore lint/suspicious/noExplicitAny: tests check any part of the data
  data: any
}

/** An open stream of server-sent events. */
export interface OpenStream {
  status: number
  body: string
  /** Resolves with the next event of a kind; skips events of other kinds. */
  next(event: string): Promise<ServerEvent>
  close(): void
  ended: Promise<void>
}

/** Opens a stream that is closed at the end of the test. */
export function openStream(
  t: ExecutionContext,
  { port }: Pick<Dashboard, 'port'>,
  path: string,
  headers: Record<string, string>,
): Promise<OpenStream> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, headers, agent: false })
    t.teardown(() => sent.destroy())
    sent.on('error', reject)
    sent.on('response', (response) => {
      let text = ''
      const events: ServerEvent[] = []
      const waiting = new Set<() => void>()
      let isClosed = false
      const ended = new Promise<void>((resolveEnd) => {
        response.on('close', () => {
          isClosed = true
          for (const check of waiting) check()
          resolveEnd()
        })
      })
      const next = (kind: string) =>
        new Promise<ServerEvent>((resolveEvent, rejectEvent) => {
          const check = () => {
            const index = events.findIndex(({ event }) => event === kind)
            if (index !== -1) {
              waiting.delete(check)
              resolveEvent(events.splice(0, index + 1).at(-1) as ServerEvent)
            } else if (isClosed) rejectEvent(new Error(`the stream ended without \`${kind}\``))
          }
          waiting.add(check)
          check()
        })
      const stream: OpenStream = {
        status: response.statusCode ?? 0,
        body: '',
        next,
        close: () => sent.destroy(),
        ended,
      }
      response.on('error', () => {})
      response.setEncoding('utf8').on('data', (more) => {
        text += more
        stream.body += more
        for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
          const event = parse(text.slice(0, end))
          if (event !== undefined) events.push(event)
          text = text.slice(end + 2)
        }
        for (const check of waiting) check()
      })
      sent.on('error', () => {}) // raised by close()
      resolve(stream)
    })
    sent.end()
  })
}

function parse(block: string): ServerEvent | undefined {
  const field = (name: string) =>
    block
      .split('\n')
      .find((line) => line.startsWith(`${name}: `))
      ?.slice(name.length + 2)
  const event = field('event')
  if (event === undefined) return undefined
  return { id: field('id') ?? '', event, data: JSON.parse(field('data') ?? 'null') }
}
