import type { DownloadOptions } from '../../download/fetch-file.js'
import { prepareData } from '../../download/prepare-data.js'
import { ResidualError } from '../../errors/errors.js'
import { type TorchAddon, torchAddon } from '../../native/addon.js'
import { type ArrayDataset, toNativeArrays } from '../../native/arguments/arrays.js'
import { type ImageInput, toNativeImage } from '../../native/arguments/image.js'
import { toPath } from '../../native/arguments/path.js'
import { serializeConfig } from '../../native/arguments/serialize-config.js'
import { runCancellable } from '../../native/cancel.js'
import { requestedDevice } from '../../native/cuda.js'
import type {
  EvaluateConfig,
  Evaluation,
  ExportConfig,
  LayerResponse,
  LoadConfig,
  ModelInfo,
  PredictConfig,
  Prediction,
} from '../../native/generated.js'
import { unwrapResult } from '../../native/native-result.js'

/** What goes with an evaluation and is not plain data. */
export interface EvaluateOptions extends DownloadOptions {
  /** Images in memory, instead of a data set on disk. */
  arrays?: ArrayDataset | undefined
}

/**
 * A trained network, held in memory until it is closed: `await using model = await loadModel(...)`,
 * or `close()`.
 */
export class Model implements AsyncDisposable {
  /** What its file says about it. */
  readonly info: Readonly<ModelInfo>
  readonly #addon: TorchAddon
  readonly #handle: number
  #closing: Promise<void> | undefined

  /** @internal */
  static async load(path: string | URL, config: LoadConfig = {}): Promise<Model> {
    const request = serializeConfig(config, 'the options')
    const addon = torchAddon(requestedDevice(config))
    const answer = await addon.openModel(toPath(path, 'model'), request)
    const { handle, info } = unwrapResult<{ handle: number; info: ModelInfo }>(answer)
    return new Model(addon, handle, info)
  }

  private constructor(addon: TorchAddon, handle: number, info: ModelInfo) {
    this.#addon = addon
    this.#handle = handle
    this.info = info
  }

  /** @internal What the addon calls it. */
  get handle(): number {
    this.#refuseClosed()
    return this.#handle
  }

  /**
   * Says what is on an image; an array of images gives an array of answers, in their order. Calls
   * that wait for each other pass the network together: many at once take less time than one after
   * another, and none is held back until there are more.
   *
   * @example
   * await using model = await loadModel('runs/latest')
   * const [cat, dog] = await model.predict(['cat.jpg', 'dog.jpg'])
   *
   * @param image a path, bytes or pixels
   * @param config how many classes to name, and how often to look: `{ crops: 'flip' }`
   * @throws {ResidualError} `E_IMAGE` with the file, if one cannot be decoded; `E_IO`, `E_USAGE`,
   *   `E_CONFIG`, `E_CLOSED`
   */
  predict(image: ImageInput, config?: PredictConfig): Promise<Prediction>
  predict(images: readonly ImageInput[], config?: PredictConfig): Promise<Prediction[]>
  async predict(
    images: ImageInput | readonly ImageInput[],
    config: PredictConfig = {},
  ): Promise<Prediction | Prediction[]> {
    this.#refuseClosed()
    const request = serializeConfig(config, 'the options')
    const natives = isMany(images)
      ? images.map((image, index) => toNativeImage(image, `images[${index}]`))
      : [toNativeImage(images, 'image')]
    const predictions = unwrapResult<Prediction[]>(
      await this.#addon.predict(this.#handle, natives, request),
    )
    return isMany(images) ? predictions : (predictions[0] as Prediction)
  }

  /**
   * Measures loss and accuracy on a data set, on images that are not augmented. A named one is
   * downloaded first if it is not on this machine. (Between the steps of a run, it gives way to the
   * run's end and begins again after it.)
   *
   * @example
   * await using model = await loadModel('runs/latest')
   * const { accuracy, confusion } = await model.evaluate({ part: 'val' })
   *
   * @param config which images; by default those that it was trained with
   * @param options images in memory instead of `config.data`; their classes are the model's, unless
   *   they are named. The signal ends the evaluation after the batch that it is in
   * @throws {ResidualError} as opening the data set does; `E_MISMATCH` for one with other classes;
   *   an `AbortError` once the signal is given
   */
  async evaluate(config: EvaluateConfig = {}, options: EvaluateOptions = {}): Promise<Evaluation> {
    this.#refuseClosed()
    const json = serializeConfig(config)
    const arrays = options.arrays && toNativeArrays(options.arrays)
    await prepareData(config.data)?.(options)
    return await runCancellable(options.signal, this.#addon, async (cancel) =>
      unwrapResult<Evaluation>(await this.#addon.evaluateModel(this.#handle, json, arrays, cancel)),
    )
  }

  /**
   * Measures how strongly each 3x3 layer answers to images that are not augmented: the standard
   * deviations of the paper's figure 7, in the order in which an image passes the layers.
   *
   * @param config which images
   * @param options images in memory instead of `config.data`
   * @throws {ResidualError} as `evaluate()` does
   */
  async layerResponses(
    config: EvaluateConfig = {},
    options: EvaluateOptions = {},
  ): Promise<LayerResponse[]> {
    this.#refuseClosed()
    const json = serializeConfig(config)
    const arrays = options.arrays && toNativeArrays(options.arrays)
    await prepareData(config.data)?.(options)
    return await runCancellable(options.signal, this.#addon, async (cancel) =>
      unwrapResult<LayerResponse[]>(
        await this.#addon.layerResponses(this.#handle, json, arrays, cancel),
      ),
    )
  }

  /**
   * Writes the network for use elsewhere, as `exportModel()` does.
   *
   * @param path ends in `.safetensors` or `.onnx`
   * @param config for ONNX: what goes into the file beside the network
   * @throws {ResidualError} `E_USAGE` for another ending, `E_WRITE`, `E_CLOSED`
   */
  async export(path: string | URL, config: ExportConfig = {}): Promise<void> {
    this.#refuseClosed()
    const [to, request] = [toPath(path, 'path'), serializeConfig(config)]
    unwrapResult<null>(await this.#addon.exportOpenModel(this.#handle, to, request))
  }

  /** Gives the memory back, after what was asked before has been answered. */
  close(): Promise<void> {
    this.#closing ??= this.#addon
      .closeModel(this.#handle)
      .then((answer) => unwrapResult<void>(answer))
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #refuseClosed(): void {
    if (this.#closing === undefined) return
    throw new ResidualError({
      code: 'E_CLOSED',
      message: 'the model is closed',
      hint: 'Close it after the last answer, or load it again.',
    })
  }
}

/**
 * Loads a trained network.
 *
 * @example
 * await using model = await loadModel('runs/latest')
 * console.log(model.info.classes, await model.predict('cat.jpg'))
 *
 * @param path a run folder (its best checkpoint is taken), a checkpoint, or weights of whoever
 *   made them: what `torch.save` wrote (.pth, .pt, .th), or a .safetensors file
 * @param config what such weights do not say of themselves; `info.assumed` tells what was assumed
 * @throws {ResidualError} `E_CHECKPOINT` if it is not there, cut short, or asks for anything but
 *   tensors; `E_MISMATCH` if it holds the weights of no network that is known or asked for
 */
export function loadModel(path: string | URL, config: LoadConfig = {}): Promise<Model> {
  return Model.load(path, config)
}

function isMany(images: ImageInput | readonly ImageInput[]): images is readonly ImageInput[] {
  return Array.isArray(images)
}
