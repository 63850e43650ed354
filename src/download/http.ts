import type { Dispatcher } from 'undici'
import { rootCause, UrlError } from './download-error.js'

/** Timeouts and retries of a download. */
export interface RetryPolicy {
  /** Connection timeout in ms. */
  connectTimeout: number
  /** Maximum time between two chunks in ms. */
  idleTimeout: number
  /** Attempts per URL. */
  attempts: number
  /** Delay before the second attempt in ms; doubled for each further attempt. */
  backoff: number
}

export const DEFAULT_RETRY_POLICY: RetryPolicy = {
  connectTimeout: 15_000,
  idleTimeout: 30_000,
  attempts: 4,
  backoff: 1_000,
}

const MAX_REDIRECTS = 10

/** A response whose body is still being received. */
export interface HttpResponse {
  status: number
  header(name: string): string | undefined
  /** Throws `UrlError` if the connection times out or is closed. */
  body: AsyncIterable<Uint8Array>
}

/** HTTP connections, through the proxy of HTTP_PROXY and HTTPS_PROXY. */
export class HttpClient implements AsyncDisposable {
  readonly #policy: RetryPolicy
  readonly #dispatcher: Dispatcher
  readonly #request: typeof import('undici').request

  static async open(policy: RetryPolicy): Promise<HttpClient> {
    // Imported on first use: most programs download nothing.
    const { EnvHttpProxyAgent, request } = await import('undici')
    const { connectTimeout: timeout } = policy
    const dispatcher = new EnvHttpProxyAgent({
      connect: { timeout },
      requestTls: { timeout },
      proxyTls: { timeout },
      // As curl does for http URLs: many proxies only tunnel to port 443.
      proxyTunnel: false,
    })
    return new HttpClient(policy, dispatcher, request)
  }

  private constructor(
    policy: RetryPolicy,
    dispatcher: Dispatcher,
    request: typeof import('undici').request,
  ) {
    this.#policy = policy
    this.#dispatcher = dispatcher
    this.#request = request
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher.destroy()
  }

  /**
   * Sends a GET request and follows redirects.
   *
   * @throws {UrlError} if there is no response, or if a redirect is part of a loop, leads to
   *   another protocol, or from HTTPS to HTTP
   */
  async get(
    url: string,
    headers: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<HttpResponse> {
    const visited = new Set<string>()
    for (let current = new URL(url); ; ) {
      if (visited.has(current.href)) throw new UrlError(`redirect loop at ${current.href}`)
      if (visited.size > MAX_REDIRECTS) throw new UrlError(`more than ${MAX_REDIRECTS} redirects`)
      visited.add(current.href)
      const response = await this.#send(current, headers, signal)
      const header = (name: string) => {
        const value = response.headers[name]
        return Array.isArray(value) ? value[0] : value
      }
      const location = header('location')
      const { statusCode: status, body } = response
      if (![301, 302, 303, 307, 308].includes(status) || location === undefined) {
        return { status, header, body: this.#convertErrors(body) }
      }
      body.on('error', () => {}).destroy()
      current = resolveRedirect(current, location)
    }
  }

  async #send(url: URL, headers: Record<string, string>, signal: AbortSignal | undefined) {
    const { idleTimeout } = this.#policy
    try {
      return await this.#request(url, {
        dispatcher: this.#dispatcher,
        headers: { 'user-agent': 'residual', 'accept-encoding': 'identity', ...headers },
        headersTimeout: idleTimeout,
        bodyTimeout: idleTimeout,
        signal: signal ?? null,
      })
    } catch (error) {
      throw this.#toUrlError(error)
    }
  }

  async *#convertErrors(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    try {
      yield* body
    } catch (error) {
      throw this.#toUrlError(error)
    }
  }

  #toUrlError(cause: unknown): UrlError {
    const { connectTimeout, idleTimeout } = this.#policy
    switch ((cause as { code?: string }).code) {
      case 'UND_ERR_CONNECT_TIMEOUT':
        return new UrlError(`no connection within ${connectTimeout / 1000} s`, {
          canRetry: true,
          cause,
        })
      case 'UND_ERR_HEADERS_TIMEOUT':
      case 'UND_ERR_BODY_TIMEOUT':
        return new UrlError(`no data for ${idleTimeout / 1000} s`, { canRetry: true, cause })
      default:
        return new UrlError(rootCause(cause), { canRetry: true, cause })
    }
  }
}

function resolveRedirect(from: URL, location: string): URL {
  let to: URL
  try {
    to = new URL(location, from)
  } catch {
    throw new UrlError(`redirect to ${JSON.stringify(location)}, which is not a URL`)
  }
  const isSafe = to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:')
  if (!isSafe) {
    throw new UrlError(
      `redirect from ${from.protocol} to ${to.protocol} (${to.href}), which is not allowed`,
    )
  }
  return to
}
