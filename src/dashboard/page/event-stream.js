/**
 * What the server sends of a run.
 *
 * @typedef {object} Message
 * @property {boolean} reset whether all that was sent before no longer holds
 * @property {Record<string, (number | null)[]>} steps
 * @property {Record<string, (number | null)[]>} epochs
 * @property {Record<string, number | null>} [now]
 * @property {Record<string, any>[]} notices
 */

/**
 * @typedef {object} Listener
 * @property {(id: string, message: Message) => void} onMessage
 * @property {(words: string, isWell: boolean, gone?: 'ended' | 'lost') => void} onState
 */

/** How long to wait before asking again where the browser itself has given up, in milliseconds. */
const AGAIN = 3000

/** Where a run has not been read at all. */
const BEGINNING = '0-0'

/**
 * The events of some runs, through one connection: a browser has six to a server, and other pages
 * want theirs. While the page is not looked at there is none.
 */
export class Stream {
  #listener
  /** @type {readonly string[]} */
  #ids = []
  /** @type {Map<string, string>} up to where each run has been read */
  #marks = new Map()
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

  /**
   * Goes over to other runs. What has been read of one is not read again.
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
    query.set('from', this.#ids.map((id) => this.#marks.get(id) ?? BEGINNING).join(','))
    const source = new EventSource(`/api/stream?${query}`)
    this.#source = source
    const ids = this.#ids
    source.addEventListener('points', (event) => {
      const { run, ...message } = JSON.parse(event.data)
      const id = /** @type {string} */ (ids[run])
      const mark = event.lastEventId.split(',')[run]
      if (mark !== undefined) this.#marks.set(id, mark)
      this.#listener.onMessage(id, message)
    })
    source.addEventListener('caught-up', () => this.#listener.onState('up to date', true))
    source.addEventListener('closed', () => {
      this.#isClosed = true
      this.#listener.onState('the server has ended; what you see is how it was', false, 'ended')
    })
    source.addEventListener('open', () => {
      this.#isClosed = false
    })
    source.addEventListener('error', () => this.#lost(source))
  }

  /** @param {EventSource} source */
  async #lost(source) {
    if (!this.#isClosed) this.#listener.onState('connection lost; trying again …', false, 'lost')
    if (source.readyState !== EventSource.CLOSED || source !== this.#source) return
    // The browser has given up, for the answer was no stream. An event source cannot tell why.
    this.#timer = setTimeout(() => this.#connect(), AGAIN)
    const why = await reason(source.url)
    if (why !== undefined && source === this.#source) this.#listener.onState(why, false)
  }
}

/**
 * Why the server refuses an address, in its own words.
 *
 * @param {string} url
 * @returns {Promise<string | undefined>}
 */
async function reason(url) {
  try {
    const answer = await fetch(url, { method: 'GET', signal: AbortSignal.timeout(2000) })
    if (answer.ok) {
      await answer.body?.cancel()
      return undefined
    }
    const { message, hint } = (await answer.json()).error
    return `${message}. ${hint}`
  } catch {
    return undefined
  }
}
