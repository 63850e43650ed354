/**
 * Events of one run from the server.
 *
 * @typedef {object} Message
 * @property {boolean} reset whether all earlier events of the run are obsolete
 * @property {Record<string, (number | null)[]>} steps
 * @property {Record<string, (number | null)[]>} epochs
 * @property {Record<string, number | null>} [now] position of the run
 * @property {Record<string, any>[]} notices
 * @property {number} unreadable number of lines of the log that are damaged
 */

/**
 * @typedef {object} Listener
 * @property {(summary: import('../run-index.js').RunSummary) => void} onSummary
 * @property {(id: string, message: Message) => void} onMessage
 * @property {(text: string, isConnected: boolean, reason?: 'ended' | 'lost') => void} onState
 */

/** Delay before reconnecting if the browser does not reconnect, in milliseconds. */
const RECONNECT_DELAY = 3000

/** Position before the first event. */
const START = '0-0'

/**
 * Receives the events of several runs through one connection, since a browser opens at most six
 * connections to a server. The connection is closed while the page is hidden.
 */
export class EventStream {
  #listener
  /** @type {readonly string[]} */
  #ids = []
  /** @type {Map<string, string>} position up to which each run has been read */
  #positions = new Map()
  /** @type {EventSource | undefined} */
  #source
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer
  #isClosed = false

  /** @param {Listener} listener */
  constructor(listener) {
    this.#listener = listener
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) this.#disconnect()
      else this.#connect()
    })
  }

  /** Whether the server sends events. */
  get isOpen() {
    return this.#source?.readyState === EventSource.OPEN
  }

  /**
   * Switches to other runs. Events that have already been received are not requested again.
   *
   * @param {readonly string[]} ids
   */
  follow(ids) {
    if (ids.join('\0') === this.#ids.join('\0')) return
    this.#ids = ids
    this.#connect()
  }

  #disconnect() {
    clearTimeout(this.#timer)
    this.#source?.close()
    this.#source = undefined
  }

  #connect() {
    this.#disconnect()
    if (this.#ids.length === 0 || document.hidden) return
    const query = new URLSearchParams(this.#ids.map((id) => ['run', id]))
    query.set('from', this.#ids.map((id) => this.#positions.get(id) ?? START).join(','))
    const source = new EventSource(`/api/stream?${query}`)
    this.#source = source
    const ids = this.#ids
    source.addEventListener('points', (event) => {
      const { run, ...message } = JSON.parse(event.data)
      const id = /** @type {string} */ (ids[run])
      const position = event.lastEventId.split(',')[run]
      if (position !== undefined) this.#positions.set(id, position)
      this.#listener.onMessage(id, message)
    })
    source.addEventListener('summary', (event) => {
      this.#listener.onSummary(JSON.parse(event.data))
    })
    source.addEventListener('caught-up', () => this.#listener.onState('up to date', true))
    source.addEventListener('closed', () => {
      this.#isClosed = true
      this.#listener.onState('server closed, page no longer updates', false, 'ended')
    })
    source.addEventListener('open', () => {
      this.#isClosed = false
    })
    source.addEventListener('error', () => this.#handleError(source))
  }

  /** @param {EventSource} source */
  async #handleError(source) {
    if (!this.#isClosed) this.#listener.onState('connection lost, reconnecting …', false, 'lost')
    if (source.readyState !== EventSource.CLOSED || source !== this.#source) return
    // The browser does not reconnect if the response is not an event stream, and hides its status.
    this.#timer = setTimeout(() => this.#connect(), RECONNECT_DELAY)
    const reason = await fetchReason(source.url)
    if (reason !== undefined && source === this.#source) this.#listener.onState(reason, false)
  }
}

/**
 * Fetches the error message with which the server rejects a URL.
 *
 * @param {string} url
 * @returns {Promise<string | undefined>}
 */
async function fetchReason(url) {
  try {
    const response = await fetch(url, { method: 'GET', signal: AbortSignal.timeout(2000) })
    if (response.ok) {
      await response.body?.cancel()
      return undefined
    }
    const { message, hint } = (await response.json()).error
    return `${message}. ${hint}`
  } catch {
    return undefined
  }
}
