import { Model } from '../api/model/model.js'
import type { DownloadOptions } from '../download/fetch-file.js'
import { prepareData } from '../download/prepare-data.js'
import { ResidualError } from '../errors/errors.js'
import { torchAddon } from '../native/addon.js'
import { serializeConfig } from '../native/arguments/serialize-config.js'
import { runCancellable } from '../native/cancel.js'
import type {
  EnsembleEvaluation,
  EvaluateConfig,
  Evaluation,
  LoadConfig,
} from '../native/generated.js'
import { unwrapResult } from '../native/native-result.js'

/** What to evaluate on. */
export type EnsembleConfig = Omit<EvaluateConfig, 'topLosses' | 'samples' | 'thumbnails'>

/** What goes with it and is not about the images. */
export interface EnsembleOptions extends DownloadOptions {
  /** What files of weights alone do not say of themselves, as in `loadModel()`; for all of them. */
  load?: LoadConfig | undefined
}

/** One of an ensemble's models, alone. */
export interface EnsembleMember {
  /** Absolute path of its checkpoint. */
  checkpoint: string
  arch: string
  evaluation: Evaluation
}

/** What `experiment.ensemble()` gives. */
export interface EnsembleResult {
  /** Of the mean of the members' probabilities. */
  ensemble: Evaluation
  /** In the order in which they were given. */
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
      hint: "Give several: ['runs/a', 'runs/b'].",
    })
  }
  const opened: Model[] = []
  try {
    const json = serializeConfig(config)
    for (const model of models) opened.push(await Model.load(model, load))
    await prepareData(config.data)?.({ signal, onDownload })
    const handles = opened.map((model) => model.handle)
    const addon = torchAddon()
    const measured = await runCancellable(signal, addon, async (cancel) =>
      unwrapResult<EnsembleEvaluation>(await addon.evaluateEnsemble(handles, json, cancel)),
    )
    const members = measured.members.map((evaluation, index): EnsembleMember => {
      const { checkpoint, arch } = (opened[index] as Model).info
      return { checkpoint, arch, evaluation }
    })
    return { ensemble: measured.ensemble, members }
  } finally {
    await Promise.all(opened.map((model) => model.close()))
  }
}
