import { element, isolate, setText } from './dom.js'
import { formatPercent } from './format.js'

const SPLIT_NAMES = { val: 'validation', test: 'test', train: 'training' }

/** Shows predictions of the newest checkpoint of the current run. */
export class SamplePredictions {
  #list
  #status
  #run = ''
  /** @type {AbortController | undefined} */
  #request

  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} status
   */
  constructor(list, status) {
    this.#list = list
    this.#status = status
  }

  /**
   * Requests predictions. Earlier predictions of the same run stay visible until the new ones
   * arrive.
   *
   * @param {string} run
   */
  async show(run) {
    if (run !== this.#run) {
      this.#run = run
      this.#list.replaceChildren()
      setText(this.#status, 'loading predictions …')
    }
    this.#request?.abort()
    this.#request = new AbortController()
    const { signal } = this.#request
    try {
      const response = await fetch(`/api/samples?${new URLSearchParams({ run })}`, { signal })
      const samples = await response.json()
      if (!response.ok) throw new Error(samples.error.message)
      if (!signal.aborted) this.#draw(samples)
    } catch (error) {
      if (!signal.aborted) setText(this.#status, `Sample predictions are not available: ${error}`)
    }
  }

  /**
   * @param {import('../sample-predictions.js').Samples |
   * import('../sample-predictions.js').NoSamples} samples
   */
  #draw(samples) {
    if ('missing' in samples) {
      this.#list.replaceChildren()
      setText(this.#status, samples.missing)
      return
    }
    const { images, epoch, split, checkpoint } = samples
    const numCorrect = images.filter(({ isCorrect }) => isCorrect).length
    setText(
      this.#status,
      `${numCorrect} of ${images.length} ${SPLIT_NAMES[split]} images correct, epoch ${epoch} (${checkpoint})`,
    )
    this.#list.replaceChildren(...images.map(renderSample))
  }
}

/** @param {import('../sample-predictions.js').Samples['images'][number]} sample */
function renderSample({ image, label, predicted, probability, isCorrect }) {
  const verdict = isCorrect
    ? element('span', { class: 'good' }, `✓ ${formatPercent(probability)}`)
    : element('span', { class: 'bad' }, '✗ ', isolate(predicted), ` ${formatPercent(probability)}`)
  return element(
    'li',
    {},
    element('img', { src: image, alt: '', width: 96, height: 96 }),
    element('span', { class: 'label' }, isolate(label)),
    verdict,
  )
}
