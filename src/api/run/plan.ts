import type { DownloadOptions } from '../../download/fetch-file.js'
import { trainingAddon } from '../../native/addon.js'
import { type ArrayDataset, toNativeArrays } from '../../native/arguments/arrays.js'
import { checkOptions } from '../../native/arguments/check-options.js'
import { serializeOptions } from '../../native/arguments/serialize-config.js'
import { runCancellable } from '../../native/cancel.js'
import type { Plan, PlanConfig, TrainConfig } from '../../native/generated.js'
import { unwrapResult } from '../../native/native-result.js'
import { prepareConfig } from './prepare-config.js'

/** Options of `plan()`. */
export interface PlanOptions extends PlanConfig, DownloadOptions {
  /** In-memory images instead of `data`. */
  arrays?: ArrayDataset | undefined
}

/**
 * Resolves a configuration without training (`residual train --dry-run`): every value with its
 * reason, the run folder, and estimates of memory and time. Downloads data sets and weights if
 * necessary, and writes nothing else.
 *
 * Memory is estimated from the shapes of all tensors. Time is measured in a few training steps on
 * images of the data set, with a temporary network.
 *
 * @example
 * const { time, memory, config } = await plan({ data: './photos' })
 *
 * @param config as for `train()`
 * @throws {ResidualError} the same errors as `train()` before its first step; `AbortError`
 */
export async function plan(config: TrainConfig, options: PlanOptions = {}): Promise<Plan> {
  const { arrays, signal, onDownload, ...planConfig } = options
  const { json, device, download } = prepareConfig(config, arrays !== undefined)
  const planJson = serializeOptions(planConfig)
  const nativeArrays = arrays && toNativeArrays(arrays)
  checkOptions('plan', planJson)
  await download?.({ signal, onDownload })
  const addon = trainingAddon(device)
  return await runCancellable(signal, addon, async (cancel) =>
    unwrapResult<Plan>(await addon.plan(json, planJson, nativeArrays, cancel)),
  )
}
