import { byId, isolate, setText } from './dom.js'

/** @typedef {import('../run-index.js').RunSummary} RunSummary */

/** Time after which the page suggests Ctrl-C to stop a run, in milliseconds. */
const STOP_TIMEOUT = 30_000

/** The button that stops the current run, with its confirmation dialog. */
export class StopControl {
  /** @type {{ run: string, since: number } | undefined} the pending stop request */
  #pending
  /** @type {string | undefined} */
  #run
  #onRequested

  /** @param {() => void} onRequested called after a stop request */
  constructor(onRequested) {
    this.#onRequested = onRequested
    byId('stop').addEventListener('click', () => this.#confirm())
  }

  /**
   * Updates the button and the status of a pending request.
   *
   * @param {RunSummary} summary the current run
   * @param {boolean} isLive whether the server sends updates
   */
  show({ id, state, stopReason }, isLive) {
    this.#run = id
    if (this.#pending !== undefined && (this.#pending.run !== id || state !== 'running')) {
      if (this.#pending.run === id) setText(byId('stop-status'), describeEnd(state, stopReason))
      else byId('stop-status').hidden = true
      this.#pending = undefined
    }
    const button = /** @type {HTMLButtonElement} */ (byId('stop'))
    button.hidden = state !== 'running' || !isLive
    button.disabled = this.#pending !== undefined
    if (this.#pending !== undefined && Date.now() - this.#pending.since > STOP_TIMEOUT) {
      setText(
        byId('stop-status'),
        'The run has not responded yet. Press Ctrl-C in its terminal to stop it.',
      )
    }
  }

  async #confirm() {
    const run = this.#run
    if (run === undefined) return
    const dialog = /** @type {HTMLDialogElement} */ (byId('stop-dialog'))
    byId('stop-question').replaceChildren('Stop ', isolate(run), '?')
    dialog.returnValue = ''
    dialog.showModal()
    await new Promise((resolve) => dialog.addEventListener('close', resolve, { once: true }))
    if (dialog.returnValue === 'stop') await this.#request(run)
  }

  /** @param {string} run */
  async #request(run) {
    const status = byId('stop-status')
    status.hidden = false
    try {
      const query = new URLSearchParams({ run })
      const response = await fetch(`/api/stop?${query}`, { method: 'POST' })
      const { error } = await response.json()
      if (error !== undefined) {
        setText(status, `${error.message}. ${error.hint}`)
        return
      }
      this.#pending = { run, since: Date.now() }
      setText(status, 'Saving a checkpoint and stopping …')
    } catch (error) {
      setText(status, `The stop request failed: ${error}`)
    }
    this.#onRequested()
  }
}

/**
 * Describes the end of a run after a request to stop it.
 *
 * @param {RunSummary['state']} state
 * @param {RunSummary['stopReason']} stopReason
 */
function describeEnd(state, stopReason) {
  if (state === 'interrupted') return 'The run has ended without saving its result.'
  return stopReason === 'stopped'
    ? 'The run has stopped and was saved.'
    : 'The run had already ended and was saved.'
}
