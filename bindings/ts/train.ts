import { toNativeArrays } from './arrays.js'
import { deviceIn } from './cuda.js'
import type { DownloadOptions } from './download/fetch-file.js'
import { prepareData } from './download/prepare.js'
import { prepareWeights } from './download/prepare-weights.js'
import type { TrainConfig } from './generated.js'
import { torchAddon } from './native.js'
import type { TrainOptions } from './options.js'
import { toPlainJson } from './plain.js'
import { withRecipe } from './recipe.js'
import { report } from './report/report.js'
import { Run } from './run.js'

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
    const json = withRecipe(toPlainJson(config))
    const { data } = JSON.parse(json) ?? {} // null is refused by the core, as all else
    const downloads = [prepareData(data), prepareWeights(json)].filter((task) => task !== undefined)
    const arrays = options.arrays && toNativeArrays(options.arrays)
    return {
      prepare: downloads.length === 0 ? undefined : oneByOne(downloads),
      start: (wake) => torchAddon(deviceIn(json)).startRun(json, wake, arrays),
      report: options.report ? async (dir) => (await report(dir)).file : undefined,
    }
  }, options)
}

type Download = (options: DownloadOptions) => Promise<unknown>

function oneByOne(downloads: readonly Download[]): Download {
  return async (options) => {
    for (const download of downloads) await download(options)
  }
}
