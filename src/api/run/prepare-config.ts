import type { DownloadOptions } from '../../download/fetch-file.js'
import { prepareData } from '../../download/prepare-data.js'
import { prepareWeights } from '../../download/prepare-weights.js'
import { serializeConfig } from '../../native/arguments/serialize-config.js'
import { type RequestedDevice, requestedDevice } from '../../native/cuda.js'
import type { TrainConfig } from '../../native/generated.js'
import { applyRecipe } from './recipes.js'

/** A configuration that is ready for the addon. */
export interface PreparedConfig {
  /** The configuration merged over its recipe. */
  json: string
  device: RequestedDevice
  /** Downloads data, then weights; undefined if nothing has to be downloaded. */
  download: ((options: DownloadOptions) => Promise<void>) | undefined
}

/**
 * Serializes a configuration, applies its recipe and determines the downloads that it needs. The
 * core validates it.
 *
 * @throws {ResidualError} `E_CONFIG` for values that JSON cannot represent, or an unknown recipe
 */
export function prepareConfig(config: TrainConfig): PreparedConfig {
  const json = applyRecipe(serializeConfig(config))
  const plain = JSON.parse(json) ?? {} // the core rejects null
  const downloads = [prepareData(plain.data), prepareWeights(plain)].filter(
    (download) => download !== undefined,
  )
  const downloadAll = async (options: DownloadOptions) => {
    for (const download of downloads) await download(options)
  }
  return {
    json,
    device: requestedDevice(plain),
    download: downloads.length === 0 ? undefined : downloadAll,
  }
}
