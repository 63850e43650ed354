import type { ImageInput } from '../../native/arguments/image.js'
import type { LoadConfig, PredictConfig, Prediction } from '../../native/generated.js'
import { loadModel } from './model.js'

/**
 * Says what is on an image, or on each of an array. To ask more than once, keep the model:
 * `loadModel()`.
 *
 * @example
 * const { label, probability } = await predict('runs/latest', 'cat.jpg')
 *
 * @param model a run folder, a checkpoint, or weights of whoever made them
 * @param image what to look at; an array gives an array of answers, in their order
 * @param load what such weights do not say of themselves
 * @throws {ResidualError} as `loadModel()` and `Model.predict()` do
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
