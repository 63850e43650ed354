import { setTimeout as sleep } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import { hostSystem } from '../native/system.js'
import { rootCause, rootCode, throwIfAborted, UrlError } from './download-error.js'
import { redactUrl } from './redact-url.js'

/** Timeouts and retries of a download. */
export interface RetryPolicy {
  /** Connection timeout in ms. */
  connectTimeout: number
  /** Maximum time between two chunks in ms. */
  idleTimeout: number
  /** Attempts per URL. */
  attempts: number
  /** Delay before the second attempt in ms; doubled for each further attempt up to `MAX_BACKOFF`. */
  backoff: number
}

/** A failed attempt that is repeated. */
export interface DownloadRetry {
  /** URL without user and password. */
  url: string
  /** Why the attempt failed. */
  reason: string
  /** Time until the next attempt in ms. */
  delay: number
}

export const DEFAULT_RETRY_POLICY: RetryPolicy = {
  connectTimeout: 15_000,
  idleTimeout: 30_000,
  attempts: 4,
  backoff: 1_000,
}

const MAX_REDIRECTS = 10

/** Maximum delay in ms between two attempts, unless the server demands a longer one. */
const MAX_BACKOFF = 10_000

/** Time in ms without received data after which failed attempts are no longer repeated. */
const MAX_RETRY_TIME = 120_000

/** Attempts at a host that was never reached: a wrong name or port does not change in minutes. */
const MAX_UNREACHABLE_ATTEMPTS = 3

/** Errors of the system without a connection: nothing listens, or the name has no address. */
const UNREACHABLE_CODES = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN'])

/** Hosts that have answered a request of this process. */
const reachedHosts = new Set<string>()

/** Settings of connections in addition to those of the environment. */
export interface ConnectionOptions {
  /** Certificate authorities (PEM) that are trusted in addition to Node's. */
  ca?: string | undefined
  /** URL of a proxy that replaces HTTP_PROXY and HTTPS_PROXY. */
  proxy?: string | undefined
  /** `Authorization` headers by the origin (`https://host:port`) or the host that receives them. */
  authorization?: ReadonlyMap<string, string> | undefined
}

/** A response whose body is still being received. */
export interface HttpResponse {
  /** URL after all redirects. */
  url: URL
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
  readonly #authorization: ReadonlyMap<string, string>

  static async open(
    policy: RetryPolicy,
    { ca, proxy, authorization = new Map() }: ConnectionOptions = {},
  ): Promise<HttpClient> {
    // Imported on first use: most programs download nothing.
    const { EnvHttpProxyAgent, request } = await import('undici')
    const { connectTimeout: timeout } = policy
    const tls = { timeout, ...(ca !== undefined && { ca: await trustedCertificates(ca) }) }
    const dispatcher = new EnvHttpProxyAgent({
      connect: tls,
      requestTls: tls,
      proxyTls: tls,
      ...(proxy !== undefined && { httpProxy: proxy, httpsProxy: proxy }),
      // As curl does for http URLs: many proxies only tunnel to port 443.
      proxyTunnel: false,
    })
    return new HttpClient(policy, dispatcher, request, authorization)
  }

  private constructor(
    policy: RetryPolicy,
    dispatcher: Dispatcher,
    request: typeof import('undici').request,
    authorization: ReadonlyMap<string, string>,
  ) {
    this.#authorization = authorization
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
      if (visited.has(current.href)) {
        throw new UrlError(`redirect loop at ${redactUrl(current.href)}`)
      }
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
        return { url: current, status, header, body: this.#convertErrors(body) }
      }
      body.on('error', () => {}).destroy()
      current = resolveRedirect(current, location)
    }
  }

  async #send(url: URL, headers: Record<string, string>, signal: AbortSignal | undefined) {
    const { idleTimeout } = this.#policy
    const authorization =
      this.#authorization.get(url.origin) ?? this.#authorization.get(url.hostname)
    try {
      const response = await this.#request(url, {
        dispatcher: this.#dispatcher,
        headers: {
          'user-agent': 'residual',
          'accept-encoding': 'identity',
          ...(authorization !== undefined && { authorization }),
          ...headers,
        },
        headersTimeout: idleTimeout,
        bodyTimeout: idleTimeout,
        signal: signal ?? null,
      })
      reachedHosts.add(url.host)
      return response
    } catch (error) {
      throw this.#toUrlError(error, url.host)
    }
  }

  async *#convertErrors(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    try {
      yield* body
    } catch (error) {
      throw this.#toUrlError(error)
    }
  }

  #toUrlError(cause: unknown, host?: string): UrlError {
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
        return new UrlError(rootCause(cause), {
          canRetry: true,
          isUnreachable:
            host !== undefined && !reachedHosts.has(host) && UNREACHABLE_CODES.has(rootCode(cause)),
          cause,
        })
    }
  }
}

/** Returns Node's certificate authorities, those of NODE_EXTRA_CA_CERTS, and the given ones. */
async function trustedCertificates(ca: string): Promise<string[]> {
  const { rootCertificates } = await import('node:tls')
  // As Node does, a file that cannot be read is ignored.
  const extra = hostSystem.read(process.env.NODE_EXTRA_CA_CERTS ?? '')
  return [...rootCertificates, ...(extra === undefined ? [] : [extra]), ca]
}

/** Returns the delay of the header `Retry-After` in ms, at most 60 s; undefined without one. */
export function retryAfter(header: HttpResponse['header']): number | undefined {
  const seconds = Number(header('retry-after'))
  return seconds > 0 ? Math.min(seconds, 60) * 1000 : undefined
}

/** Returns whether the same request may succeed later, after a response with an error status. */
export function isTransient(status: number): boolean {
  return status >= 500 || [408, 425, 429].includes(status)
}

export interface RetryOptions {
  signal?: AbortSignal | undefined
  /** Called before the delay of each repetition. */
  onRetry?: ((retry: DownloadRetry) => void) | undefined
  /** Returns the time of `performance.now()` at which data was last received; 0 before. */
  lastDataAt?: () => number
}

/**
 * Repeats an attempt that fails with a `UrlError` that can be retried, until the number of attempts
 * or the time without received data is exceeded.
 *
 * @throws {AbortError} names why the last attempt failed
 */
export async function withRetries<T>(
  url: string,
  { attempts, backoff }: RetryPolicy,
  { signal, onRetry, lastDataAt = () => 0 }: RetryOptions,
  attempt: () => Promise<T>,
): Promise<T> {
  const start = performance.now()
  let reason: string | undefined
  for (let count = 1; ; count++) {
    try {
      return await attempt()
    } catch (error) {
      throwIfAborted(signal, reason)
      if (!(error instanceof UrlError) || !error.canRetry) throw error
      const limit = error.isUnreachable ? Math.min(attempts, MAX_UNREACHABLE_ATTEMPTS) : attempts
      const exponential = Math.min(backoff * 2 ** (count - 1), MAX_BACKOFF)
      const delay = Math.max(exponential, error.retryAfter ?? 0)
      const end = performance.now() + delay
      if (count >= limit || end - Math.max(start, lastDataAt()) > MAX_RETRY_TIME) throw error
      reason = error.message
      onRetry?.({ url: redactUrl(url), reason, delay })
      await sleep(delay, undefined, { signal }).catch(() => throwIfAborted(signal, reason))
    }
  }
}

/** Closes a response whose body is not needed. */
export async function drain(body: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const _ of body) break
  } catch {
    // The connection is closed in any case.
  }
}

function resolveRedirect(from: URL, location: string): URL {
  let to: URL
  try {
    to = new URL(location, from)
  } catch {
    throw new UrlError(`redirect to ${JSON.stringify(redactUrl(location))}, which is not a URL`)
  }
  const isSafe = to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:')
  if (!isSafe) {
    throw new UrlError(
      `redirect from ${from.protocol} to ${to.protocol} (${redactUrl(to.href)}), which is not allowed`,
    )
  }
  return to
}
