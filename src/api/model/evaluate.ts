import type { EvaluateConfig, Evaluation, LoadConfig } from '../../native/generated.js'
import { type EvaluateOptions, loadModel } from './model.js'

/**
 * Evaluates a trained network: loss, accuracy, confusion matrix and calibration (`residual eval`).
 * The images are not augmented.
 *
 * @example
 * const { accuracy, mostConfused } = await evaluate('runs/latest', { split: 'val' })
 *
 * @param path a run folder, a checkpoint, or a weights file
 * @param config data set and split. Default: the data set that the network was trained on
 * @param options in-memory images, and a signal
 * @param load properties that weights files of other frameworks do not contain, as in `loadModel()`
 * @throws {ResidualError} the errors of `loadModel()` and `Model.evaluate()`
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
