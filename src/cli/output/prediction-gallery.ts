import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import {
  type ModelInfo,
  type NamedPrediction,
  type PredictConfig,
  renderPredictionGallery,
} from '../../index.js'
import { cliError } from '../messages.js'

/** Longer side of a thumbnail, in pixels. */
const THUMBNAIL_SIZE = 96
/** Thumbnails on a page; predictions of further images are listed without one. */
const MAX_THUMBNAILS = 250

/** Collects predictions and writes them as an HTML page with thumbnails. */
export class PredictionGallery {
  readonly #file: string
  readonly #model: Readonly<ModelInfo>
  readonly #predictions: NamedPrediction[] = []

  constructor(file: string, model: Readonly<ModelInfo>) {
    this.#file = file
    this.#model = model
  }

  /** Adds a request for thumbnails to a prediction's configuration while the page has room. */
  withThumbnails(config: PredictConfig): PredictConfig {
    if (this.#predictions.length >= MAX_THUMBNAILS) return config
    return { ...config, thumbnails: THUMBNAIL_SIZE }
  }

  add(prediction: NamedPrediction): void {
    this.#predictions.push(prediction)
  }

  /**
   * Writes the page.
   *
   * @returns its absolute path
   * @throws {ResidualError} `E_WRITE`
   */
  async write(): Promise<string> {
    const file = resolve(this.#file)
    try {
      await writeFile(file, renderPredictionGallery(this.#predictions, this.#model))
    } catch (cause) {
      throw cliError.unwritable(this.#file, cause)
    }
    return file
  }
}
