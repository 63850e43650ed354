import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** Response to a rejected request. */
export interface Rejection {
  status: number
  message: string
  hint: string
}

/** Maximum number of session cookies that are compared, which bounds the cost of a request. */
const MAX_COOKIES = 8

/**
 * Authorizes requests. Every program on this machine can reach the server, and so can every web
 * page that is open in a browser. A request is therefore accepted only with a secret, with the host
 * name of the server, and from the server's own page.
 */
export class RequestGuard {
  /** Secret in the printed URL. */
  readonly token = randomBytes(24).toString('base64url')
  /** Secret in the session cookie, which replaces the token so that no URL contains a secret. */
  readonly #session = randomBytes(24).toString('base64url')
  readonly #port: number

  constructor(port: number) {
    this.#port = port
  }

  /** Value of the header that sets the session cookie. */
  get cookie(): string {
    return `${this.#cookieName}=${this.#session}; HttpOnly; SameSite=Strict; Path=/`
  }

  isValidToken(token: string): boolean {
    return isEqual(token, this.token)
  }

  /** Rejects a request for another host or from another origin, even with a valid session. */
  checkOrigin({ method, headers, url }: IncomingMessage): Rejection | undefined {
    const { host, origin } = headers
    if (host === undefined || !this.#hosts.includes(host.toLowerCase())) {
      // Another host name that resolves to this machine: DNS rebinding.
      return {
        status: 403,
        message: 'unknown host name',
        hint: `Open http://127.0.0.1:${this.#port}.`,
      }
    }
    const isOtherOrigin = origin !== undefined && origin !== `http://${host.toLowerCase()}`
    const site = headers['sec-fetch-site']
    const isCrossSite = site !== undefined && site !== 'same-origin' && site !== 'none'
    const isNavigation =
      method === 'GET' && headers['sec-fetch-mode'] === 'navigate' && url?.split('?')[0] === '/'
    const isPostWithoutOrigin = method === 'POST' && origin === undefined
    if (isOtherOrigin || isPostWithoutOrigin || (isCrossSite && !isNavigation)) {
      return {
        status: 403,
        message: 'requests from other pages are not allowed',
        hint: `Open http://127.0.0.1:${this.#port}.`,
      }
    }
    return undefined
  }

  /** Rejects a request without a valid session. */
  checkSession({ headers }: IncomingMessage): Rejection | undefined {
    const cookies = (headers.cookie ?? '').split(/; */)
    const prefix = `${this.#cookieName}=`
    const sessions = cookies.filter((cookie) => cookie.startsWith(prefix)).slice(0, MAX_COOKIES)
    if (sessions.some((cookie) => isEqual(cookie.slice(prefix.length), this.#session))) {
      return undefined
    }
    return {
      status: 401,
      message: 'the token is missing or invalid',
      hint: 'Open the full URL that `residual` printed when it started the server.',
    }
  }

  get #hosts(): string[] {
    return [`127.0.0.1:${this.#port}`, `localhost:${this.#port}`]
  }

  /**
   * Name of the session cookie, unique per server, since all ports of a host share their cookies.
   */
  get #cookieName(): string {
    return `residual-${this.#port}`
  }
}

/** Compares strings in constant time. */
function isEqual(candidate: string, secret: string): boolean {
  const [a, b] = [candidate, secret].map((text) => createHash('sha256').update(text).digest())
  return timingSafeEqual(a as Buffer, b as Buffer)
}
