import { create, element, showText } from './dom.js'
import { percent } from './format.js'

/** @typedef {import('residual/electron').TrainerBridge} TrainerBridge */

/** Classifies pictures that are dropped, chosen or pasted. */
export class PredictionView {
  /** Number of the latest picture, so that a slow answer does not replace a newer one. */
  #latest = 0

  /** @param {TrainerBridge} bridge */
  constructor(bridge) {
    this.bridge = bridge
    const drop = element('drop')
    const file = /** @type {HTMLInputElement} */ (element('file'))
    file.addEventListener('change', () => {
      this.#classify(file.files?.[0])
      file.value = ''
    })
    // A picture that misses the target must not replace the page.
    for (const type of ['dragover', 'drop']) {
      document.addEventListener(type, (event) => event.preventDefault())
    }
    drop.addEventListener('dragover', () => drop.classList.add('over'))
    drop.addEventListener('dragleave', () => drop.classList.remove('over'))
    drop.addEventListener('drop', (event) => {
      drop.classList.remove('over')
      this.#classify(event.dataTransfer?.files[0])
    })
    document.addEventListener('paste', (event) => this.#classify(event.clipboardData?.files[0]))
  }

  /** @param {File | undefined} file */
  async #classify(file) {
    if (file === undefined || element('prediction').hidden) return
    const number = ++this.#latest
    const preview = /** @type {HTMLImageElement} */ (element('preview'))
    URL.revokeObjectURL(preview.src)
    preview.src = URL.createObjectURL(file)
    preview.hidden = false
    showText(element('drop-text'), file.name)
    const result = await this.bridge.predict(await file.arrayBuffer(), { top: 5 })
    if (number !== this.#latest) return
    const list = element('probabilities')
    if (result.ok) {
      list.replaceChildren(...result.value.top.map(renderProbability))
    } else {
      preview.hidden = true
      const { message, hint } = result.error
      list.replaceChildren(create('p', 'problem', `${message}. ${hint}`))
    }
  }
}

/** @param {{ label: string, probability: number }} entry */
function renderProbability({ label, probability }) {
  const bar = document.createElement('progress')
  bar.max = 1
  bar.value = probability
  bar.setAttribute('aria-hidden', 'true')
  const value = create('span', 'value', percent(probability))
  return create('li', '', create('span', '', label), bar, value)
}
