import { element, isolate, setText } from './dom.js'
import { formatDateTime, formatPercent } from './format.js'

/** @typedef {import('../run-index.js').RunSummary} RunSummary */

/**
 * @typedef {object} Entry
 * @property {HTMLLIElement} item
 * @property {HTMLInputElement} checkbox
 * @property {HTMLButtonElement} button
 * @property {HTMLElement} details
 * @property {HTMLElement} swatch
 */

/** The list of runs. One run is selected; others can be checked to compare their curves. */
export class RunList {
  #list
  #onSelect
  #onCheck
  /** @type {Map<string, Entry>} */
  #entries = new Map()

  /**
   * @param {HTMLElement} list
   * @param {(id: string) => void} onSelect
   * @param {(id: string, isChecked: boolean) => void} onCheck
   */
  constructor(list, onSelect, onCheck) {
    this.#list = list
    this.#onSelect = onSelect
    this.#onCheck = onCheck
  }

  /**
   * Updates the list in place, which keeps the keyboard focus.
   *
   * @param {readonly RunSummary[]} runs
   * @param {string | undefined} current
   * @param {ReadonlyMap<string, number>} checked color index by run
   * @param {boolean} isLive whether the server sends updates
   */
  show(runs, current, checked, isLive) {
    for (const [id, { item }] of this.#entries) {
      if (runs.some((run) => run.id === id)) continue
      item.remove()
      this.#entries.delete(id)
    }
    for (const [index, run] of runs.entries()) {
      const { item, checkbox, button, details, swatch } = this.#entry(run.id)
      if (this.#list.children[index] !== item) {
        this.#list.insertBefore(item, this.#list.children[index] ?? null)
      }
      details.dataset.state = shownState(run, isLive)
      const color = checked.get(run.id)
      checkbox.checked = color !== undefined
      swatch.dataset.color = color === undefined || checked.size === 1 ? '' : String(color % 8)
      if (run.id === current) button.setAttribute('aria-current', 'true')
      else button.removeAttribute('aria-current')
      setText(details, describeRun(run, isLive))
      item.title = run.modified > 0 ? `last updated ${formatDateTime(run.modified)}` : ''
    }
  }

  /** @param {string} id */
  #entry(id) {
    const existing = this.#entries.get(id)
    if (existing !== undefined) return existing
    const checkbox = element('input', {
      type: 'checkbox',
      'aria-label': `Show the curves of ${id}`,
    })
    const details = element('span', { class: 'line' })
    const swatch = element('span', { class: 'swatch' })
    const button = element(
      'button',
      { type: 'button' },
      element('span', { class: 'label' }, isolate(id)),
      details,
    )
    const item = element('li', {}, checkbox, swatch, button)
    button.addEventListener('click', () => this.#onSelect(id))
    checkbox.addEventListener('change', () => this.#onCheck(id, checkbox.checked))
    const entry = { item, checkbox, button, details, swatch }
    this.#entries.set(id, entry)
    return entry
  }
}

/**
 * Describes a run in one line.
 *
 * @param {RunSummary} run
 * @param {boolean} isLive
 */
function describeRun(run, isLive) {
  const { epoch, epochs, testAccuracy, accuracy } = run
  const planned = epochs === null ? '' : `/${epochs}`
  const parts = [
    stateLabel(run, isLive),
    `epoch ${epoch}${planned}`,
    ...(testAccuracy !== null
      ? [`test ${formatPercent(testAccuracy)}`]
      : accuracy !== null
        ? [`val ${formatPercent(accuracy)}`]
        : []),
  ]
  return parts.join(' · ')
}

/** @type {ReadonlyMap<string, string>} */
const STOP_REASONS = new Map([
  ['early-stopping', 'stopped early'],
  ['budget', 'budget reached'],
])

/**
 * Returns the state of a run as far as the page knows it: without a connection to the server, a run
 * that was running may have ended.
 *
 * @param {RunSummary} run
 * @param {boolean} isLive whether the server sends updates
 * @returns {RunSummary['state'] | 'unknown'}
 */
export function shownState({ state }, isLive) {
  return state === 'running' && !isLive ? 'unknown' : state
}

/**
 * Returns the state of a run in words; for a run that has ended, the reason.
 *
 * @param {RunSummary} run
 * @param {boolean} isLive whether the server sends updates
 */
export function stateLabel(run, isLive) {
  const state = shownState(run, isLive)
  if (state === 'unknown') return 'unknown (was running)'
  const { stopReason } = run
  if (state === 'ended' && stopReason !== null) return STOP_REASONS.get(stopReason) ?? stopReason
  return state
}
