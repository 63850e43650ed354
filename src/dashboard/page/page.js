import { Charts } from './charts.js'
import { extent } from './curves.js'
import { byId, element, name, say } from './dom.js'
import { epochTable } from './epoch-table.js'
import { Stream } from './event-stream.js'
import { count, digits, duration, moment, percent } from './format.js'
import { RunList, stateInWords } from './run-list.js'
import { Samples } from './sample-predictions.js'
import { Series } from './series.js'

/** @typedef {import('../run-index.js').RunSummary} RunSummary */

/**
 * What is known of a run whose curves are shown.
 *
 * @typedef {object} Known
 * @property {Series} steps
 * @property {Series} epochs
 * @property {Record<string, number | null>} now
 * @property {Record<string, any>[]} notices
 */

/** Between two looks at the list of runs, in milliseconds. */
const LIST_EVERY = 2500

/** Between two drawings while points come in, in milliseconds. */
const DRAW_EVERY = 250

/** How long a run may take to stop before the page says what else can be done, in milliseconds. */
const STOP_WITHIN = 30_000

/** As many as the server puts into one stream. */
const MOST_SHOWN = 12

const STEP_COLUMNS = ['step', 'epoch', 'loss', 'accuracy', 'lr', 'rate']
const EPOCH_COLUMNS = [
  ...['step', 'epoch', 'trainLoss', 'trainAccuracy', 'valLoss', 'valAccuracy', 'lr', 'rate'],
]

/** @type {RunSummary[]} */
let runs = []
/** @type {string | undefined} the one that is looked at */
let current
/** @type {Map<string, number>} those whose curves are shown, with the numbers of their colours */
const shown = new Map()
/** @type {Map<string, Known>} */
const known = new Map()
/** @type {[number, number] | undefined} */
let range
/** @type {{ run: string, since: number } | undefined} */
let stopping

const along = byId('along')
const [smooth, log] = [byId('smooth'), byId('log')]
const charts = new Charts(byId('charts'), (wanted) => {
  range = wanted
  draw()
})
const list = new RunList(byId('runs'), lookAt, tick)
const samples = new Samples(byId('samples'), byId('samples-about'))
const stream = new Stream({ onMessage: take, onState: connection })

/** Looks at a run, alone. */
function lookAt(/** @type {string} */ id) {
  const isAnother = id !== current
  current = id
  shown.clear()
  shown.set(id, 0)
  range = undefined
  if (isAnother) samples.show(id)
  showChosen()
}

/** Lays a run's curves over the others, or takes them away. */
function tick(/** @type {string} */ id, /** @type {boolean} */ isTicked) {
  if (isTicked && shown.size < MOST_SHOWN) {
    const taken = new Set(shown.values())
    let colour = 0
    while (taken.has(colour)) colour++
    shown.set(id, colour)
  } else if (!isTicked && shown.size > 1) {
    shown.delete(id)
    if (current === id) {
      current = [...shown.keys()][0]
      if (current !== undefined) samples.show(current)
    }
  }
  showChosen()
}

function showChosen() {
  for (const id of shown.keys()) {
    if (known.has(id)) continue
    const series = { steps: new Series(STEP_COLUMNS), epochs: new Series(EPOCH_COLUMNS) }
    known.set(id, { ...series, now: {}, notices: [] })
  }
  // What was chosen survives a reload.
  const words = new URLSearchParams([...shown.keys()].map((id) => ['run', id]))
  history.replaceState(null, '', `#${words}`)
  stream.follow([...shown.keys()])
  showList()
  showRun()
  draw()
}

/** Takes in what the server sent of a run. */
function take(
  /** @type {string} */ id,
  /** @type {import('./event-stream.js').Message} */ message,
) {
  const run = known.get(id)
  if (run === undefined) return
  if (message.reset) {
    run.steps.clear()
    run.epochs.clear()
    run.notices = []
    run.now = {}
  }
  run.steps.append(message.steps)
  run.epochs.append(message.epochs)
  run.notices.push(...message.notices)
  if (message.now !== undefined) run.now = message.now
  const hasNewWeights = message.notices.some(({ type }) => type === 'checkpoint')
  if (id === current && hasNewWeights) askForSamples()
  if (message.notices.some(({ type }) => type === 'end')) refreshList()
  drawSoon()
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let asking

/** Soon, and once for the many checkpoints of a history that is being read. */
function askForSamples() {
  clearTimeout(asking)
  asking = setTimeout(() => {
    if (current !== undefined) samples.show(current)
  }, 1000)
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let drawing

function drawSoon() {
  drawing ??= setTimeout(drawNow, DRAW_EVERY)
}

function drawNow() {
  clearTimeout(drawing)
  drawing = undefined
  showRun()
  draw()
}

function draw() {
  const drawn = [...shown].flatMap(([id, colour]) => {
    const run = known.get(id)
    return run === undefined ? [] : [{ name: id, colour, steps: run.steps, epochs: run.epochs }]
  })
  const isAlongEpochs = /** @type {HTMLSelectElement} */ (along).value === 'epoch'
  const whole = extent(drawn, isAlongEpochs ? 'epoch' : 'step')
  charts.draw(drawn, {
    along: isAlongEpochs ? 'epoch' : 'step',
    smooth: /** @type {HTMLInputElement} */ (smooth).checked,
    log: /** @type {HTMLInputElement} */ (log).checked,
    range: range ?? whole,
    whole: range === undefined,
  })
  byId('whole').hidden = range === undefined
  showTable()
}

function showTable() {
  const table = byId('table')
  if (!(/** @type {HTMLDetailsElement} */ (table).open)) return
  const run = known.get(current ?? '')
  if (run !== undefined) table.querySelector('.scroll')?.replaceChildren(epochTable(run.epochs))
}

function showList() {
  list.show(runs, current, shown)
  byId('runs-hint').hidden = runs.length < 2
}

/** The run that is looked at: its state, where it is, what there is to know of it. */
function showRun() {
  const summary = runs.find(({ id }) => id === current)
  const run = known.get(current ?? '')
  byId('run').hidden = summary === undefined
  if (summary === undefined || run === undefined) return
  const { state, stopReason, arch, data, remark } = summary
  document.title = `${summary.id} · residual`
  if (byId('name').textContent !== summary.id) byId('name').replaceChildren(name(summary.id))
  say(byId('state'), stateInWords(state, stopReason))
  byId('state').dataset.state = state
  const start = run.notices.findLast(({ type }) => type === 'start')
  const images = start?.trainImages
  say(
    byId('about'),
    [
      `${arch ?? 'a network'} on ${data ?? 'images in memory'}`,
      ...(start?.classes ? [`${count(start.classes)} classes`] : []),
      ...(images ? [`${count(images)} training images`] : []),
      ...(start?.parameters ? [`${count(start.parameters)} parameters`] : []),
      ...(state !== 'running' ? [`written to last on ${moment(summary.changed)}`] : []),
    ].join(' · '),
  )
  showProgress(summary, run, start?.totalSteps)
  showTiles(summary, run)
  showNotices(run, remark)
  showReport(summary)
  showStopping(summary)
}

/**
 * @param {RunSummary} summary
 * @param {Known} run
 * @param {number | null | undefined} totalSteps
 */
function showProgress({ state, epochs }, { now }, totalSteps) {
  const { epoch, step, stepInEpoch, stepsPerEpoch, etaSeconds } = now
  const isKnown = state === 'running' && typeof step === 'number'
  byId('progress').hidden = !isKnown
  if (!isKnown) return
  const of = epochs === null ? '' : ` of ${count(epochs)}`
  const words = [
    ...(epoch ? [`epoch ${count(epoch)}${of}`] : []),
    ...(stepInEpoch && stepsPerEpoch
      ? [`step ${count(stepInEpoch)} of ${count(stepsPerEpoch)}`]
      : []),
    ...(typeof etaSeconds === 'number' ? [`${duration(etaSeconds)} to go`] : []),
  ]
  say(byId('progress-words'), words.join(' · '))
  const bar = /** @type {HTMLProgressElement} */ (byId('progress-bar'))
  if (totalSteps) bar.value = Math.min(1, step / totalSteps)
  else bar.removeAttribute('value') // a budget of seconds: nobody knows how many steps that is
}

/**
 * @param {RunSummary} summary
 * @param {Known} run
 */
function showTiles({ state, testAccuracy }, { steps, epochs, now, notices }) {
  const accuracies = epochs.column('valAccuracy').filter((value) => !Number.isNaN(value))
  const best = accuracies.length > 0 ? accuracies.reduce((a, b) => Math.max(a, b)) : undefined
  const end = notices.findLast(({ type }) => type === 'end')
  const loss = now.epochLoss ?? epochs.last('trainLoss')
  /** @type {[string, string | undefined][]} */
  const tiles = [
    ['training loss', loss === undefined ? undefined : digits(loss)],
    ['training accuracy', shownShare(epochs.last('trainAccuracy') ?? steps.last('accuracy'))],
    [
      'validation loss',
      epochs.last('valLoss') === undefined ? undefined : digits(Number(epochs.last('valLoss'))),
    ],
    ['validation accuracy', shownShare(epochs.last('valAccuracy'))],
    ['best so far', shownShare(best)],
    ['test accuracy', shownShare(testAccuracy ?? undefined)],
    ['learning rate', state === 'running' ? shownDigits(steps.last('lr')) : undefined],
    ['images a second', shownCount(steps.last('rate') ?? epochs.last('rate'))],
    ['took', end?.seconds ? duration(end.seconds) : undefined],
  ]
  const host = byId('tiles')
  const wanted = tiles.filter(([, value]) => value !== undefined)
  if (host.children.length !== wanted.length) {
    host.replaceChildren(...wanted.map(() => element('div', {}, element('dt'), element('dd'))))
  }
  for (const [index, [label, value]] of wanted.entries()) {
    const [term, number] = host.children[index]?.children ?? []
    if (term !== undefined) say(term, label)
    if (number !== undefined) say(number, value ?? '')
  }
}

function shownShare(/** @type {number | undefined} */ share) {
  return share === undefined ? undefined : percent(share)
}

function shownDigits(/** @type {number | undefined} */ value) {
  return value === undefined ? undefined : digits(value)
}

function shownCount(/** @type {number | undefined} */ value) {
  return value === undefined ? undefined : count(value)
}

/**
 * @param {Known} run
 * @param {string | null} remark
 */
function showNotices({ notices }, remark) {
  const warnings = notices.filter(({ type }) => type === 'warning').slice(-5)
  const words = warnings.map(({ message, hint, code }) => `${message}. ${hint ?? ''} (${code})`)
  if (remark !== null) words.unshift(remark)
  const host = byId('notices')
  host.hidden = words.length === 0
  if (host.textContent === words.join('')) return
  host.replaceChildren(...words.map((text) => element('li', {}, text)))
}

/** @param {RunSummary} summary */
function showReport({ id, hasReport }) {
  const link = /** @type {HTMLAnchorElement} */ (byId('report'))
  link.hidden = !hasReport
  const address = `/report?${new URLSearchParams({ run: id })}`
  if (link.getAttribute('href') !== address) link.setAttribute('href', address)
}

/** @param {RunSummary} summary */
function showStopping({ id, state }) {
  if (stopping !== undefined && (stopping.run !== id || state !== 'running')) {
    if (stopping.run === id) say(byId('stop-answer'), 'It has stopped, and was saved.')
    else byId('stop-answer').hidden = true
    stopping = undefined
  }
  const button = /** @type {HTMLButtonElement} */ (byId('stop'))
  button.hidden = state !== 'running'
  button.disabled = stopping !== undefined
  if (stopping !== undefined && Date.now() - stopping.since > STOP_WITHIN) {
    say(
      byId('stop-answer'),
      'The run has not answered yet. It can be stopped where it was started, with Ctrl-C.',
    )
  }
}

async function askToStop() {
  const run = current
  const dialog = /** @type {HTMLDialogElement} */ (byId('sure'))
  byId('sure-question').replaceChildren('Stop ', name(run ?? ''), '?')
  dialog.returnValue = ''
  dialog.showModal()
  await new Promise((resolve) => dialog.addEventListener('close', resolve, { once: true }))
  if (dialog.returnValue !== 'yes' || run === undefined) return
  const answer = byId('stop-answer')
  answer.hidden = false
  try {
    const query = new URLSearchParams({ run })
    const response = await fetch(`/api/stop?${query}`, { method: 'POST' })
    const { error } = await response.json()
    if (error !== undefined) {
      say(answer, `${error.message}. ${error.hint}`)
      return
    }
    stopping = { run, since: Date.now() }
    say(answer, 'It is saving, and stops …')
  } catch (error) {
    say(answer, `The run could not be asked to stop: ${error}`)
  }
  showRun()
}

/**
 * @param {string} words
 * @param {boolean} isWell
 * @param {'ended' | 'lost'} [gone] the server
 */
function connection(words, isWell, gone) {
  if (isWell) drawNow() // what it says is then also what one sees
  const host = byId('connection')
  host.dataset.well = String(isWell)
  const folder = byId('folder').textContent
  // While a run goes on, a connection that was lost may well come back.
  const isOver = gone === 'ended' || !runs.some(({ state }) => state === 'running')
  if (gone === undefined || !folder || !isOver) {
    say(host, words)
    return
  }
  const command = `residual dashboard ${quoted(folder)}`
  const [before, after] = [`${words}. `, ' shows it again, at an address of its own.']
  if (host.textContent === before + command + after) return
  host.replaceChildren(before, element('code', {}, command), after)
}

/** A path as a shell reads it. */
function quoted(/** @type {string} */ path) {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}

/** @type {Promise<void> | undefined} */
let refreshing

/** Asks for the list of runs, once at a time. */
function refreshList() {
  refreshing ??= askForList().finally(() => {
    refreshing = undefined
  })
  return refreshing
}

async function askForList() {
  /** @type {{ folder: string, runs: RunSummary[], error?: { message: string, hint: string } }} */
  let answer
  try {
    answer = await (await fetch('/api/runs', { signal: AbortSignal.timeout(10_000) })).json()
  } catch {
    // The stream says how the connection is; where there is none, it is for us to say.
    if (shown.size === 0) connection('the server does not answer; trying again …', false)
    return
  }
  if (answer.error !== undefined) {
    connection(`${answer.error.message}. ${answer.error.hint}`, false)
    return
  }
  runs = answer.runs
  const folder = byId('folder')
  if (folder.textContent !== answer.folder) folder.replaceChildren(name(answer.folder))
  const empty = byId('empty')
  empty.hidden = runs.length > 0
  if (runs.length === 0) {
    say(
      empty,
      'There are no runs here yet. The first one shows up by itself: residual train ./photos',
    )
    connection('up to date', true)
  }
  choose()
  showList()
  showRun()
}

/** Chooses what to look at where nothing is chosen, or what was is gone. */
function choose() {
  const isThere = (/** @type {string} */ id) => runs.some((run) => run.id === id)
  for (const id of [...shown.keys()]) if (!isThere(id)) shown.delete(id)
  if (current !== undefined && isThere(current)) return
  const wanted = new URLSearchParams(location.hash.slice(1)).getAll('run').filter(isThere)
  const [first, ...others] = wanted.length > 0 ? wanted : runs.slice(0, 1).map(({ id }) => id)
  if (first === undefined) return
  lookAt(first)
  for (const id of others) tick(id, true)
}

along.addEventListener('change', () => {
  range = undefined
  draw()
})
for (const box of [smooth, log]) box.addEventListener('change', draw)
byId('whole').addEventListener('click', () => {
  range = undefined
  draw()
})
byId('table').addEventListener('toggle', showTable)
byId('stop').addEventListener('click', askToStop)
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) refreshList()
})
setInterval(() => {
  if (!document.hidden) refreshList()
}, LIST_EVERY)
refreshList()
