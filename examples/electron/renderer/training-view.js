import { drawChart } from './chart.js'
import { create, element, showText } from './dom.js'
import { duration, percent, plural } from './format.js'

/** @typedef {import('./run-state.js').RunState} RunState */
/** @typedef {import('residual/electron').TrainerStatus} TrainerStatus */

/** @type {Record<TrainerStatus, string>} */
const STATUS = {
  idle: 'Not trained yet',
  starting: 'Starting',
  running: 'Training',
  paused: 'Paused',
  stopping: 'Saving',
  unresponsive: 'Not responding',
  restarting: 'Restarting',
  stopped: 'Stopped',
  ended: 'Finished',
  failed: 'Failed',
}

/**
 * Advice for the user of this application, where that of the package is for its developer.
 *
 * @type {Record<string, string>}
 */
const HINTS = {
  E_DATA_NOT_FOUND: 'Choose another folder.',
  E_DATA_UNUSABLE: 'Put the pictures of each kind into a folder of their own, and choose again.',
  E_IMAGE: 'Remove the picture, or save it again as JPEG or PNG.',
  E_WRITE: 'Free some space on the disk, and train again.',
  E_MEMORY: 'Close other programs, and train again.',
}

/**
 * Shows the state of the run.
 *
 * @param {RunState} state
 * @param {boolean} canTrain whether a usable folder is chosen
 */
export function showTraining(state, canTrain) {
  const { snapshot, isActive } = state
  const status = element('status')
  showText(status, STATUS[snapshot.status])
  status.dataset.status = snapshot.status
  element('epochs-label').hidden = isActive
  const train = element('train')
  train.hidden = isActive
  train.toggleAttribute('disabled', !canTrain)
  train.textContent = snapshot.start === null ? 'Train' : 'Train again'
  element('continue').hidden = snapshot.status !== 'stopped' && !isResumable(state)
  const pause = element('pause')
  pause.hidden = !isActive
  pause.toggleAttribute('disabled', !['running', 'paused'].includes(snapshot.status))
  pause.textContent = snapshot.status === 'paused' ? 'Resume' : 'Pause'
  element('stop').hidden = !isActive
  element('stop').toggleAttribute('disabled', snapshot.status === 'stopping')
  showProgress(state)
  showNotices(state)
  const hasCurves = snapshot.steps.length > 0 || snapshot.epochs.length > 0
  element('curves').hidden = !hasCurves
  if (hasCurves) {
    drawAccuracy(state)
    drawLoss(state)
  }
  element('prediction').hidden = snapshot.epochs.length === 0
}

/** @param {RunState} state */
function isResumable({ snapshot, savedStep }) {
  return snapshot.status === 'failed' && savedStep > 0
}

/** @param {RunState} state */
function showProgress(state) {
  const { snapshot, isActive, download, progress } = state
  const isShown = isActive || snapshot.result !== null || snapshot.status === 'stopped'
  element('progress').hidden = !isShown
  if (!isShown) return
  const bar = /** @type {HTMLProgressElement} */ (element('bar'))
  if (isActive && snapshot.start === null) bar.removeAttribute('value')
  else bar.value = snapshot.status === 'ended' ? 1 : progress
  element('progress-text').textContent =
    download === null ? progressText(state) : downloadText(download)
}

/** @param {RunState} state */
function progressText({ snapshot }) {
  const { status, result, start, steps, epochs } = snapshot
  if (status === 'ended' && result?.best) {
    return `The best epoch, ${result.best.epoch}, classifies ${percent(result.best.accuracy)} of the pictures it was not trained on.`
  }
  if (start === null) return 'Reading the pictures'
  const total = start.totalSteps === null ? null : Math.ceil(start.totalSteps / start.stepsPerEpoch)
  const step = steps.at(-1)
  const epoch = step?.epoch ?? epochs.at(-1)?.epoch ?? 1
  const position = total === null ? `Epoch ${epoch}` : `Epoch ${epoch} of ${total}`
  if (status !== 'running') return position
  const eta = step?.etaSeconds
  return eta == null ? position : `${position}, ${duration(eta)} left`
}

/** @param {import('residual').DownloadProgress} download */
function downloadText({ bytes, total }) {
  const megabytes = (/** @type {number} */ size) => Math.round(size / 1e6)
  const size =
    total === undefined ? `${megabytes(bytes)} MB` : `${megabytes(bytes)} of ${megabytes(total)} MB`
  return `Downloading the weights to start from, ${size}`
}

/** @param {RunState} state */
function showNotices({ snapshot, isActive, savedStep }) {
  const { status, process, start, error } = snapshot
  showText(element('process-notice'), processNotice() ?? null)
  const alert = element('error')
  alert.hidden = error === null || status !== 'failed'
  const [message, hint] = alert.children
  if (message) message.textContent = error === null ? '' : sentence(error.message)
  if (hint) hint.textContent = error === null ? '' : (HINTS[error.code] ?? error.hint)

  function processNotice() {
    if (status === 'unresponsive') {
      return 'The training process does not respond. It is restarted if it stays silent.'
    }
    if (status === 'restarting') {
      const from = savedStep === 0 ? 'the beginning' : `the checkpoint of step ${savedStep}`
      return `The training process ended (${process.lastExit}). Training continues from ${from}.`
    }
    if (process.restarts === 0 || !isActive) return null
    const times = process.restarts === 1 ? 'once' : `${process.restarts} times`
    const where = start === null ? '' : `, last from step ${start.startStep}`
    return `The training process was restarted ${times}${where}. Nothing that was saved is lost.`
  }
}

/** @param {RunState} state */
function drawAccuracy({ snapshot: { epochs, start } }) {
  const total = totalEpochs(start, epochs.at(-1)?.epoch ?? 1)
  const last = epochs.at(-1)
  legend('accuracy', last && percent(last.train.accuracy), last?.val && percent(last.val.accuracy))
  drawChart(element('accuracy'), {
    label: last
      ? `Accuracy after ${plural(last.epoch, 'epoch')}: training ${percent(last.train.accuracy)}` +
        (last.val ? `, validation ${percent(last.val.accuracy)}` : '')
      : 'Accuracy: no epoch yet',
    series: [
      {
        className: 'training',
        points: epochs.map((e) => ({ x: e.epoch, y: e.train.accuracy })),
        hasMarkers: true,
      },
      {
        className: 'validation',
        points: epochs.flatMap((e) => (e.val ? [{ x: e.epoch, y: e.val.accuracy }] : [])),
        hasMarkers: true,
      },
    ],
    ...{ maxX: total, maxY: 1 },
    format: (value) => `${Math.round(value * 100)}%`,
    formatX: (value) => (value === 0 ? '0' : plural(value, 'epoch')),
  })
}

/** @param {RunState} state */
function drawLoss({ snapshot: { steps, epochs, start } }) {
  const perEpoch = start?.stepsPerEpoch ?? 1
  const losses = [...steps.map(({ loss }) => loss), ...epochs.map(({ val }) => val?.loss ?? 0)]
  const sorted = losses.filter(Number.isFinite).sort((a, b) => a - b)
  // A few high losses at the start must not flatten the rest of the curve.
  const high = sorted[Math.floor(0.98 * (sorted.length - 1))] ?? 1
  const [step, epoch] = [steps.at(-1), epochs.at(-1)]
  legend('loss', step?.loss.toFixed(2), epoch?.val?.loss.toFixed(2))
  drawChart(element('loss'), {
    label: step
      ? `Training loss ${step.loss.toFixed(2)} after ${plural(step.step, 'step')}`
      : 'Loss',
    series: [
      {
        className: 'training thin',
        points: steps.map((s) => ({ x: s.step / perEpoch, y: s.loss })),
      },
      {
        className: 'validation',
        points: epochs.flatMap((e) => (e.val ? [{ x: e.epoch, y: e.val.loss }] : [])),
        hasMarkers: true,
      },
    ],
    maxX: totalEpochs(start, epoch?.epoch ?? 1),
    maxY: Math.max(0.1, Math.ceil(high * 11) / 10),
    format: (value) => value.toFixed(1),
    formatX: (value) => (value === 0 ? '0' : plural(value, 'epoch')),
  })
}

/**
 * @param {import('residual').StartEvent | null} start
 * @param {number} current
 */
function totalEpochs(start, current) {
  if (start === null || start.totalSteps === null) return current
  return Math.max(current, Math.ceil(start.totalSteps / start.stepsPerEpoch))
}

/**
 * @param {string} id
 * @param {string | undefined} training
 * @param {string | null | undefined} validation
 */
function legend(id, training, validation) {
  const items = [create('span', 'training', `training ${training ?? ''}`)]
  if (validation) items.push(create('span', 'validation', `validation ${validation}`))
  element(id)
    .querySelector('.legend')
    ?.replaceChildren(...items)
}

/** @param {string} message */
function sentence(message) {
  return `${message.charAt(0).toUpperCase()}${message.slice(1)}.`
}
