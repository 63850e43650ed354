import type { Dispatcher } from 'undici'
import { AddressError, reason } from './download-error.js'

/** How long a server may keep us waiting, in ms, and how often it is asked. */
export interface Patience {
  /** For a connection. */
  connect: number
  /** Without a single byte. */
  stall: number
  /** Tries at each address. */
  tries: number
  /** Before the second try; twice as long before each further one. */
  backoff: number
}

export const PATIENCE: Patience = { connect: 15_000, stall: 30_000, tries: 4, backoff: 1_000 }

const MOST_REDIRECTS = 10

/** An answer whose body is on its way. */
export interface Answer {
  status: number
  header(name: string): string | undefined
  /** Throws `AddressError` if it stalls or breaks off. */
  body: AsyncIterable<Uint8Array>
}

/** Connections, through the proxies that the environment names, until it is closed. */
export class Http implements AsyncDisposable {
  readonly #patience: Patience
  readonly #dispatcher: Dispatcher
  readonly #request: typeof import('undici').request

  static async open(patience: Patience): Promise<Http> {
    // Loaded when it is first needed: most programs download nothing.
    const { EnvHttpProxyAgent, request } = await import('undici')
    const { connect: timeout } = patience
    const dispatcher = new EnvHttpProxyAgent({
      connect: { timeout },
      requestTls: { timeout },
      proxyTls: { timeout },
      // As curl does: many proxies tunnel to port 443 alone.
      proxyTunnel: false,
    })
    return new Http(patience, dispatcher, request)
  }

  private constructor(
    patience: Patience,
    dispatcher: Dispatcher,
    request: typeof import('undici').request,
  ) {
    this.#patience = patience
    this.#dispatcher = dispatcher
    this.#request = request
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher.destroy()
  }

  /**
   * Asks for a file, following redirections.
   *
   * @throws {AddressError} if there is no answer, or one that leads in a circle or out of HTTP(S)
   */
  async get(
    url: string,
    headers: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    const seen = new Set<string>()
    for (let at = new URL(url); ; ) {
      if (seen.has(at.href)) throw new AddressError(`it is redirected in a circle, to ${at.href}`)
      if (seen.size > MOST_REDIRECTS) throw new AddressError('it is redirected again and again')
      seen.add(at.href)
      const response = await this.#send(at, headers, signal)
      const header = (name: string) => {
        const value = response.headers[name]
        return Array.isArray(value) ? value[0] : value
      }
      const location = header('location')
      const { statusCode: status, body } = response
      if (![301, 302, 303, 307, 308].includes(status) || location === undefined) {
        return { status, header, body: this.#patiently(body) }
      }
      body.on('error', () => {}).destroy()
      at = redirected(at, location)
    }
  }

  async #send(url: URL, headers: Record<string, string>, signal: AbortSignal | undefined) {
    const { stall } = this.#patience
    try {
      return await this.#request(url, {
        dispatcher: this.#dispatcher,
        headers: { 'user-agent': 'residual', 'accept-encoding': 'identity', ...headers },
        headersTimeout: stall,
        bodyTimeout: stall,
        signal: signal ?? null,
      })
    } catch (error) {
      throw this.#told(error)
    }
  }

  async *#patiently(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    try {
      yield* body
    } catch (error) {
      throw this.#told(error)
    }
  }

  #told(cause: unknown): AddressError {
    const { connect, stall } = this.#patience
    switch ((cause as { code?: string }).code) {
      case 'UND_ERR_CONNECT_TIMEOUT':
        return new AddressError(`no connection within ${connect / 1000} s`, { again: true, cause })
      case 'UND_ERR_HEADERS_TIMEOUT':
      case 'UND_ERR_BODY_TIMEOUT':
        return new AddressError(`nothing came for ${stall / 1000} s`, { again: true, cause })
      default:
        return new AddressError(reason(cause), { again: true, cause })
    }
  }
}

function redirected(from: URL, location: string): URL {
  let to: URL
  try {
    to = new URL(location, from)
  } catch {
    throw new AddressError(`it is redirected to ${JSON.stringify(location)}, which is no address`)
  }
  const safe = to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:')
  if (!safe) {
    throw new AddressError(
      `it is redirected to ${to.href}, from ${from.protocol} to ${to.protocol}, which is refused`,
    )
  }
  return to
}
