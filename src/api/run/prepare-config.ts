import type { DownloadOptions } from '../../download/fetch-file.js'
import { prepareData } from '../../download/prepare-data.js'
import { prepareWeights } from '../../download/prepare-weights.js'
import { serializeConfig } from '../../native/arguments/serialize-config.js'
import { type RequestedDevice, requestedDevice } from '../../native/cuda.js'
import type { TrainConfig } from '../../native/generated.js'
import { applyRecipe } from './recipes.js'

/** A configuration on its way to the core, and what this side has to do for it before. */
export interface PreparedConfig {
  /** Upon its recipe. */
  json: string
  /** What it asks for. */
  device: RequestedDevice
  /** Fetches its data and its weights, one after the other; undefined if all is here. */
  download: ((options: DownloadOptions) => Promise<void>) | undefined
}

/**
 * Takes a configuration to where it crosses. What is wrong with it the core finds out.
 *
 * @throws {ResidualError} `E_CONFIG` for what JSON cannot carry, or a recipe that there is not
 */
export function prepareConfig(config: TrainConfig): PreparedConfig {
  const json = applyRecipe(serializeConfig(config))
  const said = JSON.parse(json) ?? {} // null is refused by the core, as all else
  const downloads = [prepareData(said.data), prepareWeights(said)].filter(
    (download) => download !== undefined,
  )
  const oneByOne = async (options: DownloadOptions) => {
    for (const download of downloads) await download(options)
  }
  return {
    json,
    device: requestedDevice(said),
    download: downloads.length === 0 ? undefined : oneByOne,
  }
}
