import { trainingAddon } from '../../native/addon.js'
import { toNativeArrays } from '../../native/arguments/arrays.js'
import type { TrainConfig } from '../../native/generated.js'
import { report } from '../report/report.js'
import { prepareConfig } from './prepare-config.js'
import { followsAnotherProcess } from './process-rank.js'
import { Run } from './run.js'
import type { TrainOptions } from './train-options.js'

/**
 * Trains a residual network on an image folder or a named data set.
 *
 * Returns immediately with a `Run`, which is a promise of the result and an async iterable of
 * events. Prints nothing: use hooks, or iterate over the events, to show the progress. All errors,
 * including an invalid configuration, reject the run. The runs of a process train one after another.
 *
 * Named data sets and published weights are downloaded first if they are not on this machine. On a
 * folder of fewer than 50,000 photos, training starts from ImageNet weights by default;
 * `model.weights: 'none'` or RESIDUAL_OFFLINE prevents the download. Without a network connection,
 * training starts from random weights after a few seconds, with a warning.
 *
 * In processes that `torchrun` starts, every process calls `train()` with the same configuration and
 * trains on a part of each batch, on the CPU. Rank 0 alone writes the run folder and sends events; the
 * result is the same in all processes.
 *
 * @example
 * const config = { data: './photos', model: 'resnet18', epochs: 10 }
 * const { best, test } = await train(config, { onEpoch: console.log })
 *
 * @param config plain data; only `data` is required
 * @param options hooks, an abort signal, in-memory images, and whether to write a report
 */
export function train(config: TrainConfig, options: TrainOptions = {}): Run {
  return Run.start(() => {
    const { json, device, download } = prepareConfig(config, options.arrays !== undefined)
    const arrays = options.arrays && toNativeArrays(options.arrays)
    return {
      prepare: download,
      start: (wake) => trainingAddon(device).startRun(json, wake, arrays),
      writeReport:
        options.report && !followsAnotherProcess()
          ? async (dir) => (await report(dir)).file
          : undefined,
    }
  }, options)
}
