import { torchAddon } from '../../native/addon.js'
import { toNativeArrays } from '../../native/arguments/arrays.js'
import type { TrainConfig } from '../../native/generated.js'
import { report } from '../../report/report.js'
import { prepareConfig } from './prepare-config.js'
import { Run } from './run.js'
import type { TrainOptions } from './train-options.js'

/**
 * Trains a residual network on a folder of images or a named data set. Named data sets, and published
 * weights, are downloaded first if they are not on this machine. Weights come unasked for a folder of
 * few photographs (`model.weights: 'none'` or RESIDUAL_OFFLINE keeps them away); without a network,
 * such a run begins from nothing after a few seconds, with a warning.
 *
 * Returns at once; whatever goes wrong, from a misspelt key on, is what the run rejects with. Runs
 * started while another is training wait for it.
 *
 * @example
 * const { best, test } = await train({ data: './photos', model: 'resnet18', epochs: 10 })
 *
 * @param config plain data; all of it but `data` may be left out
 * @param options hooks, the abort signal, images in memory instead of `data`, and whether a report is wanted
 */
export function train(config: TrainConfig, options: TrainOptions = {}): Run {
  return Run.start(() => {
    const { json, device, download } = prepareConfig(config)
    const arrays = options.arrays && toNativeArrays(options.arrays)
    return {
      prepare: download,
      start: (wake) => torchAddon(device).startRun(json, wake, arrays),
      report: options.report ? async (dir) => (await report(dir)).file : undefined,
    }
  }, options)
}
