import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import {
  type ModelInfo,
  type NamedPrediction,
  type PredictConfig,
  renderPredictionGallery,
} from '../../index.js'
import { refusal } from '../messages.js'

/** Pixels of a picture's longer side. */
const SIDE = 96
/** Pictures on a page; further images have their answers there, without a picture. */
const MOST_PICTURES = 250

/** Predictions on their way to a page with the pictures that they are of. */
export class Gallery {
  readonly #file: string
  readonly #model: Readonly<ModelInfo>
  readonly #answers: NamedPrediction[] = []

  constructor(file: string, model: Readonly<ModelInfo>) {
    this.#file = file
    this.#model = model
  }

  /** How the model is to be asked, so that the pictures come with the answers. */
  ask(config: PredictConfig): PredictConfig {
    return this.#answers.length < MOST_PICTURES ? { ...config, thumbnails: SIDE } : config
  }

  add(answer: NamedPrediction): void {
    this.#answers.push(answer)
  }

  /**
   * Writes the page.
   *
   * @returns its path, absolute
   * @throws {ResidualError} `E_WRITE`
   */
  async write(): Promise<string> {
    const file = resolve(this.#file)
    try {
      await writeFile(file, renderPredictionGallery(this.#answers, this.#model))
    } catch (cause) {
      throw refusal.unwritable(this.#file, cause)
    }
    return file
  }
}
