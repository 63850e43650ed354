import type { EvaluateConfig, Evaluation, LoadConfig } from '../../native/generated.js'
import { type EvaluateOptions, loadModel } from './model.js'

/**
 * Measures a trained network's loss and accuracy, on images that are not augmented.
 *
 * @example
 * const { accuracy, mostConfused } = await evaluate('runs/latest', { part: 'val' })
 *
 * @param path a run folder, a checkpoint, or weights of whoever made them
 * @param load what such weights do not say of themselves
 * @throws {ResidualError} as `loadModel()` and `Model.evaluate()` do
 */
export async function evaluate(
  path: string | URL,
  config: EvaluateConfig = {},
  options: EvaluateOptions = {},
  load: LoadConfig = {},
): Promise<Evaluation> {
  await using model = await loadModel(path, load)
  return await model.evaluate(config, options)
}
