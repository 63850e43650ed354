import { type IncomingHttpHeaders, type RequestOptions, request } from 'node:http'
import type { ExecutionContext } from 'ava'
import { type Dashboard, type DashboardOptions, dashboard } from 'residual'

/** How a request was answered. */
export interface Answered {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

/** A server of the live page that ends with the test. */
export async function served(
  t: ExecutionContext,
  folder: string,
  options: DashboardOptions = { port: 0 },
): Promise<Dashboard> {
  const page = await dashboard(folder, options)
  t.teardown(() => page.close())
  return page
}

/** Asks for a path as it stands, which `fetch` would tidy up; its own headers come last. */
export function ask(
  { port }: Pick<Dashboard, 'port'>,
  path: string,
  { headers = {}, ...options }: RequestOptions = {},
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, headers, agent: false, ...options })
    asked.on('error', reject)
    asked.on('response', (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text) => {
        body += text
      })
      response.on('error', reject)
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body })
      })
    })
    asked.end()
  })
}

/** The cookie that the printed address is turned into. */
export async function login(page: Pick<Dashboard, 'url' | 'port'>): Promise<string> {
  const { pathname, search } = new URL(page.url)
  const { headers } = await ask(page, `${pathname}${search}`)
  return headers['set-cookie']?.[0]?.split(';')[0] ?? ''
}

/** A server-sent event. */
export interface ServerEvent {
  id: string
  event: string
  // biome-ignore lint/suspicious/noExplicitAny: whatever the test looks for
  data: any
}

/** A stream of events, as it comes. */
export interface Listening {
  status: number
  body: string
  /** Resolves with the first event from here on that is of a kind. */
  next(event: string): Promise<ServerEvent>
  close(): void
  ended: Promise<void>
}

/** Listens to a stream, until the test ends. */
export function listen(
  t: ExecutionContext,
  { port }: Pick<Dashboard, 'port'>,
  path: string,
  headers: Record<string, string>,
): Promise<Listening> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, headers, agent: false })
    t.teardown(() => asked.destroy())
    asked.on('error', reject)
    asked.on('response', (response) => {
      let text = ''
      const events: ServerEvent[] = []
      const waiting = new Set<() => void>()
      let isOver = false
      const ended = new Promise<void>((over) => {
        response.on('close', () => {
          isOver = true
          for (const check of waiting) check()
          over()
        })
      })
      const next = (kind: string) =>
        new Promise<ServerEvent>((found, lost) => {
          const check = () => {
            const index = events.findIndex(({ event }) => event === kind)
            if (index !== -1) {
              waiting.delete(check)
              found(events.splice(0, index + 1).at(-1) as ServerEvent)
            } else if (isOver) lost(new Error(`the stream ended without \`${kind}\``))
          }
          waiting.add(check)
          check()
        })
      const listening: Listening = {
        status: response.statusCode ?? 0,
        body: '',
        next,
        close: () => asked.destroy(),
        ended,
      }
      response.on('error', () => {})
      response.setEncoding('utf8').on('data', (more) => {
        text += more
        listening.body += more
        for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
          const event = parse(text.slice(0, end))
          if (event !== undefined) events.push(event)
          text = text.slice(end + 2)
        }
        for (const check of waiting) check()
      })
      asked.on('error', () => {}) // it is ours to close
      resolve(listening)
    })
    asked.end()
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
