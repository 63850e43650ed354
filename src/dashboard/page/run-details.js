import { byId, element, isolate, setText } from './dom.js'
import {
  formatCount,
  formatDateTime,
  formatDecimal,
  formatDuration,
  formatPercent,
} from './format.js'
import { stateLabel } from './run-list.js'

/** @typedef {import('../run-index.js').RunSummary} RunSummary */

/**
 * Data of a run received from the event stream.
 *
 * @typedef {object} RunData
 * @property {import('./series.js').Series} steps
 * @property {import('./series.js').Series} epochs
 * @property {Record<string, number | null>} now position of the run
 * @property {Record<string, any>[]} notices
 */

/** Maximum number of warnings; the newest ones are shown. */
const MAX_WARNINGS = 5

/**
 * Shows the heading, progress, metrics and warnings of a run.
 *
 * @param {RunSummary} summary
 * @param {RunData} data
 */
export function showRunDetails(summary, data) {
  const start = data.notices.findLast(({ type }) => type === 'start')
  showHeading(summary, start)
  showProgress(summary, data, start?.totalSteps)
  showMetrics(summary, data)
  showWarnings(data, summary.remark)
  showReportLink(summary)
}

/**
 * @param {RunSummary} summary
 * @param {Record<string, any> | undefined} start
 */
function showHeading({ id, state, stopReason, arch, data, modified }, start) {
  document.title = `${id} · residual`
  if (byId('name').textContent !== id) byId('name').replaceChildren(isolate(id))
  setText(byId('state'), stateLabel(state, stopReason))
  byId('state').dataset.state = state
  const facts = [
    `${arch ?? 'network'} on ${data ?? 'images in memory'}`,
    ...(start?.classes ? [`${formatCount(start.classes)} classes`] : []),
    ...(start?.trainImages ? [`${formatCount(start.trainImages)} training images`] : []),
    ...(start?.parameters ? [`${formatCount(start.parameters)} parameters`] : []),
    ...(state !== 'running' ? [`last updated ${formatDateTime(modified)}`] : []),
  ]
  setText(byId('about'), facts.join(' · '))
}

/**
 * @param {RunSummary} summary
 * @param {RunData} data
 * @param {number | null | undefined} totalSteps
 */
function showProgress({ state, epochs }, { now }, totalSteps) {
  const { epoch, step, stepInEpoch, stepsPerEpoch, etaSeconds } = now
  const isVisible = state === 'running' && typeof step === 'number'
  byId('progress').hidden = !isVisible
  if (!isVisible) return
  const planned = epochs === null ? '' : ` of ${formatCount(epochs)}`
  const parts = [
    ...(epoch ? [`epoch ${formatCount(epoch)}${planned}`] : []),
    ...(stepInEpoch && stepsPerEpoch
      ? [`step ${formatCount(stepInEpoch)} of ${formatCount(stepsPerEpoch)}`]
      : []),
    ...(typeof etaSeconds === 'number' ? [`${formatDuration(etaSeconds)} remaining`] : []),
  ]
  setText(byId('progress-text'), parts.join(' · '))
  const bar = /** @type {HTMLProgressElement} */ (byId('progress-bar'))
  if (totalSteps) bar.value = Math.min(1, step / totalSteps)
  else bar.removeAttribute('value') // with a budget in seconds, the number of steps is unknown
}

/**
 * @param {RunSummary} summary
 * @param {RunData} data
 */
function showMetrics({ state, testAccuracy }, { steps, epochs, now, notices }) {
  const accuracies = epochs.column('valAccuracy').filter((value) => !Number.isNaN(value))
  const best = accuracies.length > 0 ? accuracies.reduce((a, b) => Math.max(a, b)) : undefined
  const end = notices.findLast(({ type }) => type === 'end')
  /** @type {[string, string | undefined][]} */
  const metrics = [
    ['training loss', optional(formatDecimal, now.epochLoss ?? epochs.last('trainLoss'))],
    [
      'training accuracy',
      optional(formatPercent, epochs.last('trainAccuracy') ?? steps.last('accuracy')),
    ],
    ['validation loss', optional(formatDecimal, epochs.last('valLoss'))],
    ['validation accuracy', optional(formatPercent, epochs.last('valAccuracy'))],
    ['best validation accuracy', optional(formatPercent, best)],
    ['test accuracy', optional(formatPercent, testAccuracy)],
    ['learning rate', state === 'running' ? optional(formatDecimal, steps.last('lr')) : undefined],
    ['images/s', optional(formatCount, steps.last('rate') ?? epochs.last('rate'))],
    ['training time', end?.seconds ? formatDuration(end.seconds) : undefined],
  ]
  const host = byId('tiles')
  const known = metrics.filter(([, value]) => value !== undefined)
  if (host.children.length !== known.length) {
    host.replaceChildren(...known.map(() => element('div', {}, element('dt'), element('dd'))))
  }
  for (const [index, [label, value]] of known.entries()) {
    const [term, description] = host.children[index]?.children ?? []
    if (term !== undefined) setText(term, label)
    if (description !== undefined) setText(description, value ?? '')
  }
}

/**
 * Formats a number, if there is one.
 *
 * @param {(value: number) => string} format
 * @param {number | null | undefined} value
 */
function optional(format, value) {
  return value === undefined || value === null ? undefined : format(value)
}

/**
 * @param {RunData} data
 * @param {string | null} remark
 */
function showWarnings({ notices }, remark) {
  const warnings = notices.filter(({ type }) => type === 'warning').slice(-MAX_WARNINGS)
  const texts = warnings.map(({ message, hint, code }) => `${message}. ${hint ?? ''} (${code})`)
  if (remark !== null) texts.unshift(remark)
  const host = byId('notices')
  host.hidden = texts.length === 0
  if (host.textContent === texts.join('')) return
  host.replaceChildren(...texts.map((text) => element('li', {}, text)))
}

/** @param {RunSummary} summary */
function showReportLink({ id, hasReport }) {
  const link = /** @type {HTMLAnchorElement} */ (byId('report'))
  link.hidden = !hasReport
  const url = `/report?${new URLSearchParams({ run: id })}`
  if (link.getAttribute('href') !== url) link.setAttribute('href', url)
}
