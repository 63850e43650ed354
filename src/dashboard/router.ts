import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { withCommandName } from '../errors/command-name.js'
import { escapeXml } from '../image-grid/svg-text.js'
import { requestStop } from '../run-folder/stop-request.js'
import type { ConnectionLimiter } from './connection-limiter.js'
import { type EventStreams, MAX_RUNS_PER_STREAM, MAX_STREAMS } from './event-streams.js'
import type { Rejection, RequestGuard } from './request-guard.js'
import { openRunFile } from './run-file.js'
import { isRunning, REPORT, type RunIndex, type RunLocation } from './run-index.js'
import { SamplePredictor } from './sample-predictions.js'
import { STATIC_FILES } from './static-files.js'

/** Headers of every response: no caching, framing, sniffing, referrers or third-party content. */
const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
}

/**
 * Content security policy of a report. The file is untrusted, so it may run no script and load
 * nothing, and `sandbox` separates it from the origin of the page.
 */
const REPORT_POLICY =
  "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'none'; sandbox"

type Handler = (
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
) => Promise<void> | void

/** Routes requests to static files and to the API. */
export class Router {
  readonly #guard: RequestGuard
  readonly #runs: RunIndex
  readonly #streams: EventStreams
  readonly #limiter: ConnectionLimiter
  readonly #predictor = new SamplePredictor()
  readonly #routes: ReadonlyMap<string, Handler>

  constructor(
    guard: RequestGuard,
    runs: RunIndex,
    streams: EventStreams,
    limiter: ConnectionLimiter,
  ) {
    this.#limiter = limiter
    this.#guard = guard
    this.#runs = runs
    this.#streams = streams
    this.#routes = new Map<string, Handler>([
      ['GET /api/runs', (_, __, response) => this.#list(response)],
      ['GET /report', (url, request, response) => this.#report(url, request, response)],
      ['GET /api/stream', (url, request, response) => this.#stream(url, request, response)],
      ['GET /api/samples', (url, _, response) => this.#samples(url, response)],
      ['POST /api/stop', (url, _, response) => this.#stop(url, response)],
    ])
  }

  /** Handles a request. Never throws, since a run may be training in this process. */
  handle(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => {})
    this.#handle(request, response).catch((error: unknown) => {
      if (response.headersSent) {
        response.destroy()
        return
      }
      const message = error instanceof Error ? error.message : String(error)
      reject(response, { status: 500, message, hint: 'Reload the page.' })
    })
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value)
    request.resume() // discards the body, which no route reads
    const originRejection = this.#guard.checkOrigin(request)
    if (originRejection !== undefined) return denyAccess(request, response, originRejection)
    const url = parseUrl(request.url)
    if (url === undefined) return notFound(response)
    const method = request.method === 'HEAD' ? 'GET' : request.method
    const token = url.searchParams.get('token')
    const isLogin = method === 'GET' && url.pathname === '/' && token !== null
    if (isLogin && this.#guard.isValidToken(token)) {
      response.setHeader('Set-Cookie', this.#guard.cookie)
      return redirectToPage(request, response, url.searchParams.get('run'))
    }
    const sessionRejection = this.#guard.checkSession(request)
    if (sessionRejection !== undefined) return denyAccess(request, response, sessionRejection)
    this.#limiter.authorize(request.socket)
    const file = method === 'GET' ? STATIC_FILES.get(url.pathname) : undefined
    if (file !== undefined) {
      response.setHeader('Content-Type', file.type)
      response.end(await file.read())
      return
    }
    const route = this.#routes.get(`${method} ${url.pathname}`)
    if (route === undefined) return notFound(response)
    await route(url, request, response)
  }

  async #list(response: ServerResponse): Promise<void> {
    send(response, 200, { folder: this.#runs.folder, runs: await this.#runs.list() })
  }

  async #stream(url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const ids = url.searchParams.getAll('run')
    if (ids.length === 0 || ids.length > MAX_RUNS_PER_STREAM) {
      const message = `a stream has 1 to ${MAX_RUNS_PER_STREAM} runs, not ${ids.length}`
      return reject(response, { status: 400, message, hint: 'Select fewer runs.' })
    }
    const runs: RunLocation[] = []
    for (const id of ids) {
      const run = await this.#runs.get(id)
      if (run === undefined) return runNotFound(response)
      runs.push(run)
    }
    // No `await` between these checks and `open`, or another stream could take the last slot.
    if (this.#streams.isClosing) {
      return reject(response, {
        status: 503,
        message: 'the dashboard is shutting down',
        hint: 'Start `residual dashboard` again and reload the page.',
      })
    }
    if (!this.#streams.hasRoom) {
      response.setHeader('Retry-After', '10')
      return reject(response, {
        status: 503,
        message: `the page is already open ${MAX_STREAMS} times`,
        hint: 'Close other tabs; this page then connects automatically.',
      })
    }
    response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' })
    if (request.method === 'HEAD') response.end()
    else this.#streams.open(response, runs, lastEventId(url, request))
  }

  async #report(url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const run = await this.#runs.get(url.searchParams.get('run') ?? '')
    const file = run && (await openRunFile(run.dir, REPORT))
    if (file === undefined) {
      return rejectByAcceptHeader(request, response, {
        status: 404,
        message: 'this run has no report',
        hint: 'Run `residual report RUN` to write one.',
      })
    }
    response.setHeader('Content-Security-Policy', REPORT_POLICY)
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' })
    // The pipeline closes the file, even if the client disconnects.
    await pipeline(file.createReadStream(), response).catch(() => response.destroy())
  }

  async #samples(url: URL, response: ServerResponse): Promise<void> {
    const run = await this.#runs.get(url.searchParams.get('run') ?? '')
    if (run === undefined) return runNotFound(response)
    send(response, 200, await this.#predictor.get(run))
  }

  async #stop(url: URL, response: ServerResponse): Promise<void> {
    const run = await this.#runs.get(url.searchParams.get('run') ?? '')
    if (run === undefined) return runNotFound(response)
    if (!isRunning(run.dir)) {
      return reject(response, {
        status: 409,
        message: 'this run is not running',
        hint: 'To continue the run, use `residual train --resume`.',
      })
    }
    await requestStop(run.dir)
    send(response, 202, { requested: true })
  }
}

/**
 * Returns the id of the last event that a page has received: the header `Last-Event-ID` if the
 * browser reconnects, otherwise the query parameter `from` that the page sets. Empty for a new page.
 */
function lastEventId(url: URL, { headers }: IncomingMessage): string {
  return String(headers['last-event-id'] ?? url.searchParams.get('from') ?? '')
}

/** Parses the target of a request; undefined if the target is not an absolute path. */
function parseUrl(target: string | undefined): URL | undefined {
  if (target === undefined || !/^\/(?!\/)/.test(target)) return undefined
  try {
    return new URL(target, 'http://page')
  } catch {
    return undefined
  }
}

function notFound(response: ServerResponse): void {
  reject(response, { status: 404, message: 'not found', hint: 'Open the dashboard at /.' })
}

function runNotFound(response: ServerResponse): void {
  const hint = 'The run may have been removed or renamed; select another one.'
  reject(response, { status: 404, message: 'run not found', hint })
}

/**
 * Redirects to the page after the token was exchanged for a cookie. If another page started the
 * navigation, such as the file that opens the browser, the browser would follow a redirect with
 * status 303 without the cookie, which is `SameSite=Strict`. Such a navigation therefore receives a
 * document that navigates to the page from within the site.
 */
function redirectToPage(
  { headers }: IncomingMessage,
  response: ServerResponse,
  run: string | null,
): void {
  const location = run === null ? '/' : `/#${new URLSearchParams({ run })}`
  if (headers['sec-fetch-site'] !== 'cross-site') {
    response.writeHead(303, { Location: location }).end()
    return
  }
  response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' })
  const refresh = `<meta http-equiv="refresh" content="0; url=${escapeXml(location)}">`
  // The empty icon keeps the browser from requesting /favicon.ico.
  response.end(`<!doctype html><title>residual</title><link rel="icon" href="data:,">${refresh}`)
}

/** Rejects a request and closes its connection. */
function denyAccess(
  request: IncomingMessage,
  response: ServerResponse,
  rejection: Rejection,
): void {
  response.setHeader('Connection', 'close')
  rejectByAcceptHeader(request, response, rejection)
}

/** Rejects a request: in plain text for a browser tab, which accepts HTML, otherwise in JSON. */
function rejectByAcceptHeader(
  request: IncomingMessage,
  response: ServerResponse,
  rejection: Rejection,
): void {
  if (!request.headers.accept?.includes('text/html')) {
    reject(response, rejection)
    return
  }
  const { status, message, hint } = rejection
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' })
  response.end(`residual: ${message}.\n${withCommandName(hint)}\n`)
}

function reject(response: ServerResponse, { status, message, hint }: Rejection): void {
  send(response, status, { error: { message, hint: withCommandName(hint) } })
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8' })
  response.end(JSON.stringify(body))
}
