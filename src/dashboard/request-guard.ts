import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** Why a request is not answered, for whoever made it. */
export interface Refusal {
  status: number
  message: string
  hint: string
}

/**
 * Who may ask. The server is reached by every program of this machine and, through a browser, by
 * every page that is open in it; so a request has to carry a secret, to be meant for this address,
 * and to come from no other page.
 */
export class Guard {
  /** In the address that is printed. */
  readonly token = randomBytes(24).toString('base64url')
  /** What the token is turned into, so that it does not stay in the address. */
  readonly #session = randomBytes(24).toString('base64url')
  readonly #port: number

  constructor(port: number) {
    this.#port = port
  }

  /** The header that hands the session to a browser. */
  get cookie(): string {
    return `${this.#cookieName}=${this.#session}; HttpOnly; SameSite=Strict; Path=/`
  }

  /** Whether a token is the right one. */
  opens(token: string): boolean {
    return isSame(token, this.token)
  }

  /** Why a request comes from where it must not, whoever made it. */
  refuseOrigin({ method, headers, url }: IncomingMessage): Refusal | undefined {
    const { host, origin } = headers
    if (host === undefined || !this.#hosts.includes(host.toLowerCase())) {
      // A name of somebody else's that leads here: DNS rebinding.
      return {
        status: 403,
        message: 'this server does not answer to that name',
        hint: `Open it as http://127.0.0.1:${this.#port}.`,
      }
    }
    const isForeign = origin !== undefined && origin !== `http://${host.toLowerCase()}`
    const site = headers['sec-fetch-site']
    const isFromElsewhere = site !== undefined && site !== 'same-origin' && site !== 'none'
    const isNavigation =
      method === 'GET' && headers['sec-fetch-mode'] === 'navigate' && url?.split('?')[0] === '/'
    const isBlindPost = method === 'POST' && origin === undefined
    if (isForeign || isBlindPost || (isFromElsewhere && !isNavigation)) {
      return {
        status: 403,
        message: 'this server answers to its own pages alone',
        hint: `Open http://127.0.0.1:${this.#port} and go on there.`,
      }
    }
    return undefined
  }

  /** Why a request that comes from the right place is not known to be the user's. */
  refuseStranger({ headers }: IncomingMessage): Refusal | undefined {
    const cookies = (headers.cookie ?? '').split(/; */)
    const prefix = `${this.#cookieName}=`
    const sessions = cookies.filter((cookie) => cookie.startsWith(prefix))
    if (sessions.some((cookie) => isSame(cookie.slice(prefix.length), this.#session))) {
      return undefined
    }
    return {
      status: 401,
      message: 'this page is opened by the whole address, with its token',
      hint: 'Open the address that `residual` printed when it began to serve the page.',
    }
  }

  get #hosts(): string[] {
    return [`127.0.0.1:${this.#port}`, `localhost:${this.#port}`]
  }

  /** Cookies know no ports: without it in the name, two servers would throw each other's out. */
  get #cookieName(): string {
    return `residual-${this.#port}`
  }
}

/** Compares in a time that tells nothing. */
function isSame(given: string, secret: string): boolean {
  const [a, b] = [given, secret].map((text) => createHash('sha256').update(text).digest())
  return timingSafeEqual(a as Buffer, b as Buffer)
}
