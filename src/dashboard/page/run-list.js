import { element, name, say } from './dom.js'
import { moment, percent } from './format.js'

/** @typedef {import('../run-index.js').RunSummary} RunSummary */

/**
 * @typedef {object} Entry
 * @property {HTMLLIElement} item
 * @property {HTMLInputElement} box
 * @property {HTMLButtonElement} button
 * @property {HTMLElement} line
 * @property {HTMLElement} swatch
 */

/** The list of runs: one of them is looked at, others may be laid over it. */
export class RunList {
  #host
  #onLook
  #onTick
  /** @type {Map<string, Entry>} */
  #entries = new Map()

  /**
   * @param {HTMLElement} host
   * @param {(id: string) => void} onLook
   * @param {(id: string, isTicked: boolean) => void} onTick
   */
  constructor(host, onLook, onTick) {
    this.#host = host
    this.#onLook = onLook
    this.#onTick = onTick
  }

  /**
   * Brings the list up to date, without taking the focus from whoever is in it.
   *
   * @param {readonly RunSummary[]} runs
   * @param {string | undefined} current
   * @param {ReadonlyMap<string, number>} ticked with the number of its colour
   */
  show(runs, current, ticked) {
    for (const [id, { item }] of this.#entries) {
      if (runs.some((run) => run.id === id)) continue
      item.remove()
      this.#entries.delete(id)
    }
    for (const [index, run] of runs.entries()) {
      const entry = this.#entry(run.id)
      const { item, box, button, line, swatch } = entry
      if (this.#host.children[index] !== item) {
        this.#host.insertBefore(item, this.#host.children[index] ?? null)
      }
      line.dataset.state = run.state
      const colour = ticked.get(run.id)
      box.checked = colour !== undefined
      swatch.dataset.colour = colour === undefined || ticked.size === 1 ? '' : String(colour % 8)
      if (run.id === current) button.setAttribute('aria-current', 'true')
      else button.removeAttribute('aria-current')
      say(line, inWords(run))
      item.title = run.changed > 0 ? `written to last on ${moment(run.changed)}` : ''
    }
  }

  /** @param {string} id */
  #entry(id) {
    const present = this.#entries.get(id)
    if (present !== undefined) return present
    const box = element('input', { type: 'checkbox', 'aria-label': `Show the curves of ${id}` })
    const line = element('span', { class: 'line' })
    const swatch = element('span', { class: 'swatch' })
    const button = element(
      'button',
      { type: 'button' },
      element('span', { class: 'label' }, name(id)),
      line,
    )
    const item = element('li', {}, box, swatch, button)
    button.addEventListener('click', () => this.#onLook(id))
    box.addEventListener('change', () => this.#onTick(id, box.checked))
    const entry = { item, box, button, line, swatch }
    this.#entries.set(id, entry)
    return entry
  }
}

/**
 * A run in one line.
 *
 * @param {RunSummary} run
 */
function inWords({ state, stopReason, epoch, epochs, testAccuracy, accuracy }) {
  const of = epochs === null ? '' : ` of ${epochs}`
  const parts = [
    stateInWords(state, stopReason),
    `epoch ${epoch}${of}`,
    ...(testAccuracy !== null
      ? [`${percent(testAccuracy)} on test`]
      : accuracy !== null
        ? [percent(accuracy)]
        : []),
  ]
  return parts.join(' · ')
}

/**
 * @param {RunSummary['state']} state
 * @param {string | null} stopReason
 */
export function stateInWords(state, stopReason) {
  if (state === 'ended' && stopReason !== null) return stopReason
  return state
}
