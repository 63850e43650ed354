import type { EvaluateConfig, Evaluation } from './generated.js'
import { type EvaluateOptions, loadModel } from './model.js'

/**
 * Measures a trained network's loss and accuracy, on images that are not augmented.
 *
 * @param model a run folder or a checkpoint
 * @throws {ResidualError} as `loadModel()` and `Model.evaluate()` do
 */
export async function evaluate(
  path: string | URL,
  config: EvaluateConfig = {},
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  await using model = await loadModel(path)
  return await model.evaluate(config, options)
}
