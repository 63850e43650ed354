import { element } from './dom.js'
import { showFolder } from './folder-view.js'
import { PredictionView } from './prediction-view.js'
import { RunState } from './run-state.js'
import { showTraining } from './training-view.js'

/** @typedef {import('./folder-view.js').FolderSummary} FolderSummary */

/**
 * Functions of the preload scripts.
 *
 * @typedef {object} Preloaded
 * @property {import('residual/electron').TrainerBridge} residual
 * @property {{ chooseFolder(): Promise<FolderSummary | null>,
 *   currentFolder(): Promise<FolderSummary | null> }} pictures
 */

const { residual, pictures } = /** @type {Window & Preloaded} */ (/** @type {unknown} */ (window))
const state = new RunState()
/** @type {FolderSummary | null} */
let folder = null
let isDrawing = false

/** Draws at most once per frame, however many messages arrive. */
function draw() {
  if (isDrawing) return
  isDrawing = true
  requestAnimationFrame(() => {
    isDrawing = false
    showTraining(state, folder !== null && folder.problem === null)
  })
}

async function chooseFolder() {
  const chosen = await pictures.chooseFolder().catch(() => {
    showToast('This folder cannot be read.')
    return null
  })
  if (chosen === null) return
  folder = chosen
  showFolder(folder)
  draw()
  element(folder.problem === null ? 'train' : 'choose').focus()
}

/**
 * Shows the outcome of an action for a few seconds.
 *
 * @param {string} text
 */
function showToast(text) {
  const toast = element('toast')
  toast.textContent = text
  setTimeout(() => {
    if (toast.textContent === text) toast.textContent = ''
  }, 6000)
}

/**
 * Calls the bridge and shows its error.
 *
 * @template T
 * @param {Promise<import('residual/electron').BridgeResult<T>>} request
 */
async function call(request) {
  const result = await request
  if (!result.ok) showToast(`${result.error.message}. ${result.error.hint}`)
  return result.ok ? result.value : undefined
}

element('choose').addEventListener('click', chooseFolder)
element('choose-first').addEventListener('click', chooseFolder)
element('train').addEventListener('click', () => {
  const input = /** @type {HTMLInputElement} */ (element('epochs'))
  if (input.reportValidity()) call(residual.train({ epochs: input.valueAsNumber }))
})
element('continue').addEventListener('click', () => call(residual.train({ resume: true })))
element('pause').addEventListener('click', () =>
  call(state.snapshot.status === 'paused' ? residual.resume() : residual.pause()),
)
element('stop').addEventListener('click', () => call(residual.stop()))
element('export').addEventListener('click', async () => {
  const path = await call(residual.exportModel())
  if (path) showToast(`Exported to ${path}`)
})

new PredictionView(residual)
folder = await pictures.currentFolder()
showFolder(folder)
residual.subscribe((message) => {
  state.apply(message)
  draw()
})
