import { Charts } from './charts.js'
import { fullRange } from './curves.js'
import { byId, element, isolate, setText } from './dom.js'
import { epochTable } from './epoch-table.js'
import { EventStream } from './event-stream.js'
import { showRunDetails } from './run-details.js'
import { RunList } from './run-list.js'
import { SamplePredictions } from './sample-predictions.js'
import { Series } from './series.js'
import { StopControl } from './stop-control.js'

/** @typedef {import('../run-index.js').RunSummary} RunSummary */
/** @typedef {import('./run-details.js').RunData} RunData */

/** Interval between requests for the list of runs, in milliseconds. */
const LIST_INTERVAL = 2500

/** Minimum interval between redraws while points arrive, in milliseconds. */
const DRAW_INTERVAL = 250

/** Delay between a checkpoint and the request for its predictions, in milliseconds. */
const SAMPLES_DELAY = 1000

/** Maximum number of runs that can be compared: the server's limit for one stream. */
const MAX_SHOWN = 12

const STEP_COLUMNS = ['step', 'epoch', 'loss', 'accuracy', 'lr', 'rate']
const EPOCH_COLUMNS = [
  ...['step', 'epoch', 'trainLoss', 'trainAccuracy', 'valLoss', 'valAccuracy', 'lr', 'rate'],
]

/** @type {RunSummary[]} */
let runs = []
/** @type {string | undefined} the selected run */
let current
/** @type {Map<string, number>} color indices of the runs whose curves are shown */
const shown = new Map()
/** @type {Map<string, RunData>} */
const runData = new Map()
/** @type {[number, number] | undefined} zoomed range of the x axis */
let range
/** Whether the states of the runs are current. */
let isLive = true
/** Whether the server has announced that it closes. */
let isServerClosed = false

const xAxis = /** @type {HTMLSelectElement} */ (byId('x-axis'))
const [smooth, log] = /** @type {HTMLInputElement[]} */ ([byId('smooth'), byId('log')])
const charts = new Charts(byId('charts'), (zoomed) => {
  range = zoomed
  draw()
})
const list = new RunList(byId('runs'), selectRun, checkRun)
const samples = new SamplePredictions(byId('samples'), byId('samples-status'))
const stream = new EventStream({
  onMessage: receive,
  onSummary: receiveSummary,
  onState: showConnection,
})
const stopControl = new StopControl(showRun)

/** Selects a run and shows it alone. */
function selectRun(/** @type {string} */ id) {
  const isOther = id !== current
  current = id
  shown.clear()
  shown.set(id, 0)
  range = undefined
  if (isOther) samples.show(id)
  showSelection()
}

/** Adds or removes the curves of a run. */
function checkRun(/** @type {string} */ id, /** @type {boolean} */ isChecked) {
  if (isChecked && shown.size < MAX_SHOWN) {
    const taken = new Set(shown.values())
    let color = 0
    while (taken.has(color)) color++
    shown.set(id, color)
  } else if (!isChecked && shown.size > 1) {
    shown.delete(id)
    if (current === id) {
      current = [...shown.keys()][0]
      if (current !== undefined) samples.show(current)
    }
  }
  showSelection()
}

function showSelection() {
  for (const id of shown.keys()) {
    if (runData.has(id)) continue
    const series = { steps: new Series(STEP_COLUMNS), epochs: new Series(EPOCH_COLUMNS) }
    runData.set(id, { ...series, now: {}, notices: [], unreadable: 0 })
  }
  // The URL stores the selection, so that a reload restores it.
  const query = new URLSearchParams([...shown.keys()].map((id) => ['run', id]))
  history.replaceState(null, '', `#${query}`)
  stream.follow([...shown.keys()])
  showList()
  showRun()
  draw()
}

/** Adds events from the server to the data of a run. */
function receive(
  /** @type {string} */ id,
  /** @type {import('./event-stream.js').Message} */ message,
) {
  const run = runData.get(id)
  if (run === undefined) return
  if (message.reset) {
    run.steps.clear()
    run.epochs.clear()
    run.notices = []
    run.now = {}
    run.unreadable = 0
  }
  run.steps.append(message.steps)
  run.epochs.append(message.epochs)
  run.notices.push(...message.notices)
  run.unreadable += message.unreadable
  if (message.now !== undefined) run.now = message.now
  const hasCheckpoint = message.notices.some(({ type }) => type === 'checkpoint')
  if (id === current && hasCheckpoint) requestSamplesSoon()
  drawSoon()
}

/** Replaces the summary of a run, which the server sends when the state of the run has changed. */
function receiveSummary(/** @type {RunSummary} */ summary) {
  runs = runs.map((run) => (run.id === summary.id ? summary : run))
  showList()
  showRun()
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let samplesTimer

/** Requests predictions after a delay, so that the log of an old run causes only one request. */
function requestSamplesSoon() {
  clearTimeout(samplesTimer)
  samplesTimer = setTimeout(() => {
    if (current !== undefined) samples.show(current)
  }, SAMPLES_DELAY)
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let drawTimer

function drawSoon() {
  drawTimer ??= setTimeout(drawNow, DRAW_INTERVAL)
}

function drawNow() {
  clearTimeout(drawTimer)
  drawTimer = undefined
  showRun()
  draw()
}

function draw() {
  const drawn = [...shown].flatMap(([id, color]) => {
    const run = runData.get(id)
    return run === undefined ? [] : [{ name: id, color, steps: run.steps, epochs: run.epochs }]
  })
  const axis = xAxis.value === 'epoch' ? 'epoch' : 'step'
  charts.draw(drawn, {
    xAxis: axis,
    smooth: smooth?.checked ?? false,
    log: log?.checked ?? false,
    range: range ?? fullRange(drawn, axis),
    isFullRange: range === undefined,
  })
  byId('reset-zoom').hidden = range === undefined
  showTable()
}

function showTable() {
  const table = byId('table')
  if (!(/** @type {HTMLDetailsElement} */ (table).open)) return
  const run = runData.get(current ?? '')
  if (run !== undefined) table.querySelector('.scroll')?.replaceChildren(epochTable(run.epochs))
}

function showList() {
  list.show(runs, current, shown, isLive)
  byId('runs-hint').hidden = runs.length < 2
}

function showRun() {
  const summary = runs.find(({ id }) => id === current)
  const data = runData.get(current ?? '')
  byId('run').hidden = summary === undefined
  if (summary === undefined || data === undefined) return
  showRunDetails(summary, data, isLive)
  stopControl.show(summary, isLive)
}

/** Shows whether the states of the runs are current. */
function setLive(/** @type {boolean} */ value) {
  if (isLive === value) return
  isLive = value
  showList()
  showRun()
}

/**
 * Shows the state of the connection.
 *
 * @param {string} text
 * @param {boolean} isConnected
 * @param {'ended' | 'lost'} [reason]
 */
function showConnection(text, isConnected, reason) {
  isServerClosed = reason === 'ended' || (isServerClosed && !isConnected)
  if (isConnected || reason !== undefined) setLive(isConnected)
  if (isConnected) drawNow() // "up to date" must not appear before the last points
  const host = byId('connection')
  host.dataset.connected = String(isConnected)
  const folder = byId('folder').textContent
  if (reason === undefined || !folder) {
    setText(host, text)
    return
  }
  const command = `residual dashboard ${shellQuote(folder)}`
  const end = text.endsWith('…') ? '' : '.'
  const [before, after] = [`${text}${end} Run `, ' to open it again.']
  if (host.textContent === before + command + after) return
  host.replaceChildren(before, element('code', {}, command), after)
}

function shellQuote(/** @type {string} */ path) {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}

/** @type {Promise<void> | undefined} */
let refreshing

/** Requests the list of runs unless a request is pending. */
function refreshList() {
  refreshing ??= fetchList().finally(() => {
    refreshing = undefined
  })
  return refreshing
}

async function fetchList() {
  /** @type {{ folder: string, runs: RunSummary[], error?: { message: string, hint: string } }} */
  let response
  try {
    response = await (await fetch('/api/runs', { signal: AbortSignal.timeout(10_000) })).json()
  } catch {
    // The event stream reports a lost connection, but does not notice a server that hangs.
    if (isLive) showConnection('no response from the server, retrying …', false)
    setLive(false)
    return
  }
  if (response.error !== undefined) {
    setLive(false)
    showConnection(`${response.error.message}. ${response.error.hint}`, false)
    return
  }
  runs = response.runs
  const folder = byId('folder')
  if (folder.textContent !== response.folder) folder.replaceChildren(isolate(response.folder))
  const empty = byId('empty')
  empty.hidden = runs.length > 0
  if (runs.length === 0) {
    setText(empty, 'No runs yet. Start one with: residual train ./photos')
    showConnection('up to date', true)
  }
  if (!isLive && stream.isOpen) showConnection('up to date', true)
  if (!isServerClosed) setLive(true)
  selectInitialRun()
  showList()
  showRun()
}

/**
 * Selects the runs of the URL, or else the newest run, unless an existing run is selected.
 */
function selectInitialRun() {
  const exists = (/** @type {string} */ id) => runs.some((run) => run.id === id)
  for (const id of [...shown.keys()]) if (!exists(id)) shown.delete(id)
  if (current !== undefined && exists(current)) return
  const requested = new URLSearchParams(location.hash.slice(1)).getAll('run').filter(exists)
  const [first, ...others] = requested.length > 0 ? requested : runs.slice(0, 1).map(({ id }) => id)
  if (first === undefined) return
  selectRun(first)
  for (const id of others) checkRun(id, true)
}

function resetZoom() {
  range = undefined
  draw()
}

xAxis.addEventListener('change', resetZoom)
for (const checkbox of [smooth, log]) checkbox?.addEventListener('change', draw)
byId('reset-zoom').addEventListener('click', resetZoom)
byId('table').addEventListener('toggle', showTable)
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) refreshList()
})
setInterval(() => {
  if (!document.hidden) refreshList()
}, LIST_INTERVAL)
refreshList()
