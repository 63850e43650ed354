import type { DownloadOptions } from '../../download/fetch-file.js'
import { prepareData } from '../../download/prepare-data.js'
import { prepareWeights } from '../../download/prepare-weights.js'
import { ResidualError } from '../../errors/errors.js'
import { coreAddon, trainingAddon } from '../../native/addon.js'
import { checkOptions } from '../../native/arguments/check-options.js'
import { addUndefinedKeys, serializeConfig } from '../../native/arguments/serialize-config.js'
import { runCancellable } from '../../native/cancel.js'
import { type RequestedDevice, requestedDevice } from '../../native/device.js'
import type { TrainConfig } from '../../native/generated.js'
import { unwrapResult } from '../../native/native-result.js'
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
 * core validates the configuration, before the downloads if there are any.
 *
 * @param hasArrays whether the images are in memory instead of at `data`
 * @throws {ResidualError} `E_CONFIG` for values of a wrong type, or an unknown recipe;
 *   `E_UNKNOWN_KEY`
 */
export function prepareConfig(config: TrainConfig, hasArrays: boolean): PreparedConfig {
  if (config === undefined) throw missingConfig()
  const json = applyRecipe(serializeConfig(config))
  const parsed = JSON.parse(json)
  // Wrong keys and types are reported before libtorch is loaded.
  checkOptions('train', JSON.stringify(addUndefinedKeys(parsed, config)))
  const plain = parsed ?? {} // the core rejects null
  const downloads = [prepareData(plain.data), prepareWeights(plain)].filter(
    (download) => download !== undefined,
  )
  const downloadAll = async (options: DownloadOptions) => {
    const { signal } = options
    await runCancellable(signal, coreAddon(), async (cancel) =>
      unwrapResult<null>(await coreAddon().checkTrainConfig(json, hasArrays, cancel)),
    )
    // A missing libtorch or GPU is reported before the download, too.
    trainingAddon(requestedDevice(plain))
    for (const download of downloads) await download(options)
  }
  return {
    json,
    device: requestedDevice(plain),
    download: downloads.length === 0 ? undefined : downloadAll,
  }
}

/** Returns the error for a call without a configuration. */
function missingConfig(): ResidualError {
  return new ResidualError({
    code: 'E_CONFIG',
    message: 'no configuration is given',
    hint: "Pass at least the data: `train({ data: './photos' })`, with one subfolder per class.",
  })
}
