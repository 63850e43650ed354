import type { Prediction } from './generated.js'
import type { ImageInput } from './image.js'
import { loadModel, type PredictOptions } from './model.js'

/**
 * Says what is on an image, or on each of an array. To ask more than once, keep the model:
 * `loadModel()`.
 *
 * @param model a run folder or a checkpoint
 * @throws {ResidualError} as `loadModel()` and `Model.predict()` do
 */
export function predict(
  model: string | URL,
  image: ImageInput,
  options?: PredictOptions,
): Promise<Prediction>
export function predict(
  model: string | URL,
  images: readonly ImageInput[],
  options?: PredictOptions,
): Promise<Prediction[]>
export async function predict(
  path: string | URL,
  images: ImageInput | readonly ImageInput[],
  options?: PredictOptions,
): Promise<Prediction | Prediction[]> {
  await using model = await loadModel(path)
  return await model.predict(images as readonly ImageInput[], options)
}
