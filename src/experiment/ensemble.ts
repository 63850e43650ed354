import { Model } from '../api/model/model.js'
import type { DownloadOptions } from '../download/fetch-file.js'
import { prepareData } from '../download/prepare-data.js'
import { ResidualError } from '../errors/errors.js'
import { torchAddon } from '../native/addon.js'
import { checkOptions } from '../native/arguments/check-options.js'
import { serializeOptions } from '../native/arguments/serialize-config.js'
import { runCancellable } from '../native/cancel.js'
import type {
  EnsembleEvaluation,
  EvaluateConfig,
  Evaluation,
  LoadConfig,
} from '../native/generated.js'
import { unwrapResult } from '../native/native-result.js'

/** Configuration of `experiment.ensemble()`. */
export type EnsembleConfig = Omit<EvaluateConfig, 'topLosses' | 'samples' | 'thumbnails'>

/** Options of `experiment.ensemble()`. */
export interface EnsembleOptions extends DownloadOptions {
  /** Properties that weights files of other frameworks do not contain; applied to all models. */
  load?: LoadConfig | undefined
}

/** The evaluation of a single model of an ensemble. */
export interface EnsembleMember {
  /** Absolute path of the model's checkpoint. */
  checkpoint: string
  arch: string
  evaluation: Evaluation
}

/** Result of `experiment.ensemble()`. */
export interface EnsembleResult {
  /** Evaluation of the mean of the models' probabilities. */
  ensemble: Evaluation
  /** Evaluation of each model, in the order of the models. */
  members: EnsembleMember[]
}

/** See {@link Experiments.ensemble}. */
export async function ensemble(
  models: readonly (string | URL)[],
  config: EnsembleConfig = {},
  { load, signal, onDownload }: EnsembleOptions = {},
): Promise<EnsembleResult> {
  if (!Array.isArray(models) || models.length === 0) {
    throw new ResidualError({
      code: 'E_USAGE',
      message: '`models` must be a list of at least one run folder or checkpoint',
      at: { key: 'models' },
      hint: "Example: ['runs/a', 'runs/b'].",
    })
  }
  const loaded: Model[] = []
  try {
    const json = serializeOptions(config)
    checkOptions('evaluate', json)
    for (const model of models) loaded.push(await Model.load(model, load))
    await prepareData(config.data)?.({ signal, onDownload })
    const handles = loaded.map((model) => model.handle)
    const addon = torchAddon()
    const result = await runCancellable(signal, addon, async (cancel) =>
      unwrapResult<EnsembleEvaluation>(await addon.evaluateEnsemble(handles, json, cancel)),
    )
    const members = result.members.map((evaluation, index): EnsembleMember => {
      const { checkpoint, arch } = (loaded[index] as Model).info
      return { checkpoint, arch, evaluation }
    })
    return { ensemble: result.ensemble, members }
  } finally {
    await Promise.all(loaded.map((model) => model.close()))
  }
}
