import type { DownloadOptions } from '../../download/fetch-file.js'
import { prepareData } from '../../download/prepare-data.js'
import { ResidualError } from '../../errors/errors.js'
import {
  type NativeArrays,
  type NativeCancel,
  type TorchAddon,
  torchAddon,
} from '../../native/addon.js'
import { type ArrayDataset, toNativeArrays } from '../../native/arguments/arrays.js'
import { checkOptions } from '../../native/arguments/check-options.js'
import { type ImageInput, toNativeImages } from '../../native/arguments/image.js'
import { toPath } from '../../native/arguments/path.js'
import { serializeOptions } from '../../native/arguments/serialize-config.js'
import { runCancellable } from '../../native/cancel.js'
import { requestedDevice } from '../../native/device.js'
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

/** Options of an evaluation that are not part of the configuration. */
export interface EvaluateOptions extends DownloadOptions {
  /** In-memory images instead of a data set on disk. */
  arrays?: ArrayDataset | undefined
}

/**
 * A trained network in memory. Release it with `await using model = await loadModel(...)`, or with
 * `close()`.
 */
export class Model implements AsyncDisposable {
  /** Metadata from the model's file. */
  readonly info: Readonly<ModelInfo>
  readonly #addon: TorchAddon
  readonly #handle: number
  #closing: Promise<void> | undefined

  /** @internal */
  static async load(path: string | URL, config: LoadConfig = {}): Promise<Model> {
    const request = serializeOptions(config)
    const addon = torchAddon(requestedDevice(config))
    const result = await addon.openModel(toPath(path, 'model'), request)
    const { handle, info } = unwrapResult<{ handle: number; info: ModelInfo }>(result)
    return new Model(addon, handle, info)
  }

  private constructor(addon: TorchAddon, handle: number, info: ModelInfo) {
    this.#addon = addon
    this.#handle = handle
    this.info = info
  }

  /** @internal Handle of the model in the addon. */
  get handle(): number {
    this.#assertOpen()
    return this.#handle
  }

  /**
   * Classifies an image; for an array of images, the result is an array in the same order.
   * Concurrent calls are batched, which takes less time than one call after another. No call waits
   * for others to arrive.
   *
   * @example
   * await using model = await loadModel('runs/latest')
   * const [cat, dog] = await model.predict(['cat.jpg', 'dog.jpg'])
   *
   * @param image a path, the bytes of an image file, or pixels; see `ImageInput`
   * @param config number of classes to return, and test-time augmentation: `{ crops: 'flip' }`
   * @throws {ResidualError} `E_IMAGE` with the file, if an image cannot be decoded; `E_IO`,
   *   `E_USAGE`, `E_CONFIG`, `E_CLOSED`
   */
  predict(image: ImageInput, config?: PredictConfig): Promise<Prediction>
  predict(images: readonly ImageInput[], config?: PredictConfig): Promise<Prediction[]>
  async predict(
    images: ImageInput | readonly ImageInput[],
    config: PredictConfig = {},
  ): Promise<Prediction | Prediction[]> {
    this.#assertOpen()
    const request = serializeOptions(config)
    const converted = toNativeImages(
      isImageArray(images)
        ? images.map((image, index) => [image, `images[${index}]`] as const)
        : [[images, 'image']],
    )
    // Without a `Blob`, the addon copies the bytes before this function returns.
    const nativeImages = converted instanceof Promise ? await converted : converted
    this.#assertOpen()
    const predictions = unwrapResult<Prediction[]>(
      await this.#addon.predict(this.#handle, nativeImages, request),
    )
    return isImageArray(images) ? predictions : (predictions[0] as Prediction)
  }

  /**
   * Evaluates the model on a data set, without augmentation. A named data set is downloaded if
   * necessary. In a process that also trains, the evaluation runs between two training steps; a
   * request to stop the run interrupts the evaluation, which starts again when the run has ended.
   *
   * @example
   * await using model = await loadModel('runs/latest')
   * const { accuracy, confusion } = await model.evaluate({ split: 'val' })
   *
   * @param config data set and split. Default: the data set that the model was trained on
   * @param options in-memory images instead of `config.data`, by default with the classes of the
   *   model; and a signal, which ends the evaluation after the current batch
   * @throws {ResidualError} the errors of opening the data set; `E_MISMATCH` if its classes differ
   *   from those of the model; `AbortError`
   */
  async evaluate(config: EvaluateConfig = {}, options: EvaluateOptions = {}): Promise<Evaluation> {
    return await this.#onDataset(config, options, (...request) =>
      this.#addon.evaluateModel(this.#handle, ...request),
    )
  }

  /**
   * Measures the standard deviation of the responses of each 3x3 convolution, in the order of the
   * forward pass, on images without augmentation (figure 7 of He et al. 2015).
   *
   * @param config data set and split. Default: the data set that the model was trained on
   * @param options in-memory images instead of `config.data`, and a signal
   * @throws {ResidualError} the errors of `evaluate()`
   */
  async layerResponses(
    config: EvaluateConfig = {},
    options: EvaluateOptions = {},
  ): Promise<LayerResponse[]> {
    return await this.#onDataset(config, options, (...request) =>
      this.#addon.layerResponses(this.#handle, ...request),
    )
  }

  /** Calls a native function with a data set, which is downloaded first if necessary. */
  async #onDataset<T>(
    config: EvaluateConfig,
    options: EvaluateOptions,
    work: (json: string, arrays?: NativeArrays, cancel?: NativeCancel) => Promise<string>,
  ): Promise<T> {
    this.#assertOpen()
    const json = serializeOptions(config)
    const arrays = options.arrays && toNativeArrays(options.arrays)
    checkOptions('evaluate', json)
    await prepareData(config.data)?.(options)
    return await runCancellable(options.signal, this.#addon, async (cancel) =>
      unwrapResult<T>(await work(json, arrays, cancel)),
    )
  }

  /**
   * Exports the network, as `exportModel()` does.
   *
   * @param path a file with the extension `.safetensors` or `.onnx`
   * @param config for ONNX, operations to add before and after the network
   * @throws {ResidualError} `E_USAGE` for another extension, `E_WRITE`, `E_CLOSED`
   */
  async export(path: string | URL, config: ExportConfig = {}): Promise<void> {
    this.#assertOpen()
    const [target, request] = [toPath(path, 'path'), serializeOptions(config)]
    unwrapResult<null>(await this.#addon.exportOpenModel(this.#handle, target, request))
  }

  /** Releases the memory of the model, after pending calls have completed. */
  close(): Promise<void> {
    this.#closing ??= this.#addon
      .closeModel(this.#handle)
      .then((result) => unwrapResult<void>(result))
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #assertOpen(): void {
    if (this.#closing === undefined) return
    throw new ResidualError({
      code: 'E_CLOSED',
      message: 'the model is closed',
      hint: 'Call `close()` after the last prediction, or load the model again.',
    })
  }
}

/**
 * Loads a trained network. If the best checkpoint of a run is missing or damaged, another
 * checkpoint of the run is loaded, with a warning in `info.warnings`.
 *
 * @example
 * await using model = await loadModel('runs/latest')
 * console.log(model.info.classes, await model.predict('cat.jpg'))
 *
 * @param path a run folder (its best checkpoint), a checkpoint, or a weights file: a PyTorch
 *   state_dict (.pth, .pt, .th) or .safetensors
 * @param config properties that weights files of other frameworks do not contain, such as the
 *   classes; `info.assumed` lists the values that were assumed
 * @throws {ResidualError} `E_CHECKPOINT` if the file is missing, truncated or damaged (checksums of
 *   every tensor and of the metadata), or contains no tensors; `E_MISMATCH` if its weights match no
 *   known network, or not the network that `config` selects
 */
export function loadModel(path: string | URL, config: LoadConfig = {}): Promise<Model> {
  return Model.load(path, config)
}

function isImageArray(images: ImageInput | readonly ImageInput[]): images is readonly ImageInput[] {
  return Array.isArray(images)
}
