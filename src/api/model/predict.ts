import type { ImageInput } from '../../native/arguments/image.js'
import type { LoadConfig, PredictConfig, Prediction } from '../../native/generated.js'
import { loadModel } from './model.js'

/**
 * Classifies an image, or each image of an array (`residual predict`). Every call loads the model;
 * use `loadModel()` to classify repeatedly.
 *
 * @example
 * const { label, probability } = await predict('runs/latest', 'cat.jpg')
 *
 * @param model a run folder, a checkpoint, or a weights file
 * @param image a path, bytes or pixels; for an array, the result is an array in the same order
 * @param config number of classes to return, and test-time augmentation
 * @param load properties that weights files of other frameworks do not contain, as in `loadModel()`
 * @throws {ResidualError} the errors of `loadModel()` and `Model.predict()`
 */
export function predict(
  model: string | URL,
  image: ImageInput,
  config?: PredictConfig,
  load?: LoadConfig,
): Promise<Prediction>
export function predict(
  model: string | URL,
  images: readonly ImageInput[],
  config?: PredictConfig,
  load?: LoadConfig,
): Promise<Prediction[]>
export async function predict(
  path: string | URL,
  images: ImageInput | readonly ImageInput[],
  config?: PredictConfig,
  load?: LoadConfig,
): Promise<Prediction | Prediction[]> {
  await using model = await loadModel(path, load)
  return await model.predict(images as readonly ImageInput[], config)
}
