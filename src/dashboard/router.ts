import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { requestStop } from '../run-folder/stop-request.js'
import { MOST_RUNS, MOST_STREAMS, type Streams } from './event-streams.js'
import type { Guard, Refusal } from './request-guard.js'
import { openRunFile } from './run-file.js'
import { type Found, isWrittenTo, REPORT, type Runs } from './run-index.js'
import { Sampler } from './sample-predictions.js'
import { PAGE_FILES } from './static-files.js'

/** With every answer: nothing is kept, embedded, guessed, told on, or loaded from elsewhere. */
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
 * With a report instead: it needs nothing but itself, and whoever wrote the file, it runs no script,
 * goes nowhere, and is no page of this server's (`sandbox` gives it an origin of its own).
 */
const REPORT_POLICY =
  "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'none'; sandbox"

type Answer = (url: URL, request: IncomingMessage, response: ServerResponse) => Promise<void> | void

/** Answers requests, each by a path that is known beforehand. */
export class Pages {
  readonly #guard: Guard
  readonly #runs: Runs
  readonly #streams: Streams
  readonly #sampler = new Sampler()
  readonly #routes: ReadonlyMap<string, Answer>

  constructor(guard: Guard, runs: Runs, streams: Streams) {
    this.#guard = guard
    this.#runs = runs
    this.#streams = streams
    this.#routes = new Map<string, Answer>([
      ['GET /api/runs', (_, __, response) => this.#list(response)],
      ['GET /report', (url, request, response) => this.#report(url, request, response)],
      ['GET /api/stream', (url, request, response) => this.#stream(url, request, response)],
      ['GET /api/samples', (url, _, response) => this.#samples(url, response)],
      ['POST /api/stop', (url, _, response) => this.#stop(url, response)],
    ])
  }

  /** Never throws: a request may be anything, and this process may be training. */
  answer(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => {})
    this.#answer(request, response).catch((error: unknown) => {
      if (response.headersSent) {
        response.destroy()
        return
      }
      const message = error instanceof Error ? error.message : String(error)
      refuse(response, { status: 500, message, hint: 'Load the page again.' })
    })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value)
    request.resume() // no request has a body that matters
    const foreign = this.#guard.refuseOrigin(request)
    if (foreign !== undefined) return turnAway(request, response, foreign)
    const url = parse(request.url)
    if (url === undefined) return notFound(response)
    const method = request.method === 'HEAD' ? 'GET' : request.method
    const token = url.searchParams.get('token')
    if (method === 'GET' && url.pathname === '/' && token !== null && this.#guard.opens(token)) {
      response.setHeader('Set-Cookie', this.#guard.cookie)
      response.writeHead(303, { Location: '/' }).end()
      return
    }
    const stranger = this.#guard.refuseStranger(request)
    if (stranger !== undefined) return turnAway(request, response, stranger)
    const file = method === 'GET' ? PAGE_FILES.get(url.pathname) : undefined
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
    if (ids.length === 0 || ids.length > MOST_RUNS) {
      const message = `a stream is of 1 to ${MOST_RUNS} runs, not ${ids.length}`
      return refuse(response, { status: 400, message, hint: 'Show fewer runs at once.' })
    }
    const runs: Found[] = []
    for (const id of ids) {
      const run = await this.#runs.get(id)
      if (run === undefined) return noRun(response)
      runs.push(run)
    }
    // From here on nothing is waited for: another stream could take the room.
    if (!this.#streams.hasRoom) {
      response.setHeader('Retry-After', '10')
      return refuse(response, {
        status: 503,
        message: `this page is open ${MOST_STREAMS} times already`,
        hint: 'Close it where it is not needed; it goes on by itself then.',
      })
    }
    response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' })
    if (request.method === 'HEAD') response.end()
    else this.#streams.open(response, runs, lastEvent(url, request))
  }

  async #report(url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const run = await this.#runs.get(url.searchParams.get('run') ?? '')
    const file = run && (await openRunFile(run.dir, REPORT))
    if (file === undefined) {
      return turnAway(request, response, {
        status: 404,
        message: 'there is no report on such a run',
        hint: '`residual report RUN` writes one into its folder.',
      })
    }
    response.setHeader('Content-Security-Policy', REPORT_POLICY)
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' })
    // It closes the file, whichever side ends first.
    await pipeline(file.createReadStream(), response).catch(() => response.destroy())
  }

  async #samples(url: URL, response: ServerResponse): Promise<void> {
    const run = await this.#runs.get(url.searchParams.get('run') ?? '')
    if (run === undefined) return noRun(response)
    send(response, 200, await this.#sampler.get(run))
  }

  async #stop(url: URL, response: ServerResponse): Promise<void> {
    const run = await this.#runs.get(url.searchParams.get('run') ?? '')
    if (run === undefined) return noRun(response)
    if (!isWrittenTo(run.dir)) {
      return refuse(response, {
        status: 409,
        message: 'this run is not running',
        hint: 'It has ended, or was ended; `residual train --resume` goes on with it.',
      })
    }
    await requestStop(run.dir)
    send(response, 202, { asked: true })
  }
}

/**
 * Up to where a page has everything: what the browser says when it connects again by itself, else
 * what the page says.
 */
function lastEvent(url: URL, { headers }: IncomingMessage): string {
  return String(headers['last-event-id'] ?? url.searchParams.get('from') ?? '')
}

/** The path and the query of a request; undefined for one that is none of ours. */
function parse(target: string | undefined): URL | undefined {
  if (target === undefined || !/^\/(?!\/)/.test(target)) return undefined
  try {
    return new URL(target, 'http://page')
  } catch {
    return undefined
  }
}

function notFound(response: ServerResponse): void {
  refuse(response, { status: 404, message: 'there is nothing here', hint: 'The page is at /.' })
}

function noRun(response: ServerResponse): void {
  const hint = 'It may have been removed or renamed: choose another from the list.'
  refuse(response, { status: 404, message: 'there is no such run', hint })
}

/** In words for a person, who may have opened the address; as data for a page. */
function turnAway(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
  if (!request.headers.accept?.includes('text/html')) {
    refuse(response, refusal)
    return
  }
  const { status, message, hint } = refusal
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' })
  response.end(`residual: ${message}.\n${hint}\n`)
}

function refuse(response: ServerResponse, { status, message, hint }: Refusal): void {
  send(response, status, { error: { message, hint } })
}

function send(response: ServerResponse, status: number, answer: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8' })
  response.end(JSON.stringify(answer))
}
