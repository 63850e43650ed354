import { byId, element, isolate, setText } from './dom.js'
import {
  formatCount,
  formatDateTime,
  formatDecimal,
  formatDuration,
  formatPercent,
} from './format.js'
import { shownState, stateLabel } from './run-list.js'

/** @typedef {import('../run-index.js').RunSummary} RunSummary */

/**
 * Data of a run received from the event stream.
 *
 * @typedef {object} RunData
 * @property {import('./series.js').Series} steps
 * @property {import('./series.js').Series} epochs
 * @property {Record<string, number | null>} now position of the run
 * @property {Record<string, any>[]} notices
 * @property {number} unreadable number of damaged lines of the log
 */

/** Maximum number of warnings; the newest ones are shown. */
const MAX_WARNINGS = 5

/**
 * Shows the heading, progress, metrics and warnings of a run.
 *
 * @param {RunSummary} summary
 * @param {RunData} data
 * @param {boolean} isLive whether the server sends updates
 */
export function showRunDetails(summary, data, isLive) {
  const start = data.notices.findLast(({ type }) => type === 'start')
  const isRunning = shownState(summary, isLive) === 'running'
  showHeading(summary, start, isLive)
  showProgress(summary, data, start?.totalSteps, isRunning)
  showMetrics(summary, data, isRunning)
  showWarnings(data, summary.remark)
  showReportLink(summary, isLive)
}

/**
 * @param {RunSummary} summary
 * @param {Record<string, any> | undefined} start
 * @param {boolean} isLive
 */
function showHeading(summary, start, isLive) {
  const { id, state, arch, data, modified } = summary
  document.title = `${id} · residual`
  if (byId('name').textContent !== id) byId('name').replaceChildren(isolate(id))
  setText(byId('state'), stateLabel(summary, isLive))
  byId('state').dataset.state = shownState(summary, isLive)
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
 * @param {boolean} isRunning
 */
function showProgress({ epochs }, { now }, totalSteps, isRunning) {
  const { epoch, step, stepInEpoch, stepsPerEpoch, etaSeconds } = now
  const isVisible = isRunning && typeof step === 'number'
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
 * @param {boolean} isRunning
 */
function showMetrics({ testAccuracy }, { steps, epochs, now, notices }, isRunning) {
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
    ['learning rate', isRunning ? optional(formatDecimal, steps.last('lr')) : undefined],
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
function showWarnings({ notices, unreadable }, remark) {
  const warnings = notices.filter(({ type }) => type === 'warning').slice(-MAX_WARNINGS)
  const texts = warnings.map(({ message, hint, code }) => `${message}. ${hint ?? ''} (${code})`)
  if (unreadable > 0) {
    const lines = unreadable === 1 ? '1 line' : `${formatCount(unreadable)} lines`
    texts.unshift(`Skipped ${lines} of metrics.jsonl that cannot be read.`)
  }
  if (remark !== null) texts.unshift(remark)
  const host = byId('notices')
  host.hidden = texts.length === 0
  if (host.textContent === texts.join('')) return
  host.replaceChildren(...texts.map((text) => element('li', {}, text)))
}

/**
 * Links the report of a run; after the server has closed, shows the path of the report instead.
 *
 * @param {RunSummary} summary
 * @param {boolean} isLive
 */
function showReportLink({ id, report }, isLive) {
  const link = /** @type {HTMLAnchorElement} */ (byId('report'))
  link.hidden = report === null || !isLive
  const url = `/report?${new URLSearchParams({ run: id })}`
  if (link.getAttribute('href') !== url) link.setAttribute('href', url)
  const path = byId('report-path')
  path.hidden = report === null || isLive
  if (report !== null && path.dataset.path !== report) {
    path.dataset.path = report
    path.replaceChildren('Report: ', element('code', {}, isolate(report)))
  }
}
