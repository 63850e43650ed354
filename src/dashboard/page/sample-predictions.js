import { element, name, say } from './dom.js'
import { percent } from './format.js'

/** What the newest checkpoint of the run that is looked at says of some images. */
export class Samples {
  #list
  #about
  #run = ''
  /** @type {AbortController | undefined} */
  #asking

  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} about
   */
  constructor(list, about) {
    this.#list = list
    this.#about = about
  }

  /**
   * Asks for them. What is there stays until there is something newer.
   *
   * @param {string} run
   */
  async show(run) {
    if (run !== this.#run) {
      this.#run = run
      this.#list.replaceChildren()
      say(this.#about, 'asking the newest checkpoint …')
    }
    this.#asking?.abort()
    this.#asking = new AbortController()
    const { signal } = this.#asking
    try {
      const answer = await fetch(`/api/samples?${new URLSearchParams({ run })}`, { signal })
      const samples = await answer.json()
      if (!answer.ok) throw new Error(samples.error.message)
      if (!signal.aborted) this.#draw(samples)
    } catch (error) {
      if (!signal.aborted) say(this.#about, `There are no sample predictions: ${error}`)
    }
  }

  /** @param {import('../sample-predictions.js').Samples | import('../sample-predictions.js').NoSamples} samples */
  #draw(samples) {
    if ('missing' in samples) {
      this.#list.replaceChildren()
      say(this.#about, samples.missing)
      return
    }
    const { images, epoch, part, checkpoint } = samples
    const right = images.filter((image) => image.right).length
    const parts = { val: 'validation', test: 'test', train: 'training' }
    say(
      this.#about,
      `${right} of ${images.length} ${parts[part]} images right, after epoch ${epoch} (${checkpoint})`,
    )
    this.#list.replaceChildren(...images.map((image) => picture(image)))
  }
}

/** @param {import('../sample-predictions.js').Samples['images'][number]} image */
function picture({ picture, label, predicted, probability, right }) {
  const said = right
    ? element('span', { class: 'good' }, `✓ ${percent(probability)}`)
    : element('span', { class: 'bad' }, '✗ ', name(predicted), ` ${percent(probability)}`)
  return element(
    'li',
    {},
    element('img', { src: picture, alt: '', width: 96, height: 96 }),
    element('span', { class: 'label' }, name(label)),
    said,
  )
}
