import type { EvaluateConfig, Evaluation } from './generated.js'
import { loadModel } from './model.js'

/**
 * Measures a trained network's loss and accuracy, on images that are not augmented.
 *
 * @param model a run folder or a checkpoint
 * @throws {ResidualError} as `loadModel()` and `Model.evaluate()` do
 */
export async function evaluate(
  path: string | URL,
  config: EvaluateConfig = {},
): Promise<Evaluation> {
  await using model = await loadModel(path)
  return await model.evaluate(config)
}
