import type { DownloadOptions } from '../../download/fetch-file.js'
import { torchAddon } from '../../native/addon.js'
import { type ArrayDataset, toNativeArrays } from '../../native/arguments/arrays.js'
import { serializeConfig } from '../../native/arguments/serialize-config.js'
import { runCancellable } from '../../native/cancel.js'
import type { Plan, PlanConfig, TrainConfig } from '../../native/generated.js'
import { unwrapResult } from '../../native/native-result.js'
import { prepareConfig } from './prepare-config.js'

/** What to find out, and how named data sets are fetched. */
export interface PlanOptions extends PlanConfig, DownloadOptions {
  /** Images in memory, instead of `data`. */
  arrays?: ArrayDataset | undefined
}

/**
 * Says what `train()` would do, and does not do it (`residual train --dry-run`): every value with
 * its reason, the run folder, the memory and the time. Nothing is written but downloads.
 *
 * Memory is computed from the shapes of the network's tensors. Time is measured: a few updates are
 * made on the run's own images, with a network that is thrown away.
 *
 * @example
 * const { time, memory, config } = await plan({ data: './photos' })
 *
 * @param config as for `train()`
 * @throws {ResidualError} as `train()` does before it begins; an `AbortError` once the signal is
 *   given
 */
export async function plan(config: TrainConfig, options: PlanOptions = {}): Promise<Plan> {
  const { arrays, signal, onDownload, ...asked } = options
  const { json, device, download } = prepareConfig(config)
  const request = serializeConfig(asked, 'the options')
  const native = arrays && toNativeArrays(arrays)
  await download?.({ signal, onDownload })
  const addon = torchAddon(device)
  return await runCancellable(signal, addon, async (cancel) =>
    unwrapResult<Plan>(await addon.plan(json, request, native, cancel)),
  )
}
