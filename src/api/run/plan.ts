import type { DownloadOptions } from '../../download/fetch-file.js'
import { torchAddon } from '../../native/addon.js'
import { type Arrays, toNativeArrays } from '../../native/arguments/arrays.js'
import { toPlainJson } from '../../native/arguments/serialize-config.js'
import { endedBy } from '../../native/cancel.js'
import type { Plan, PlanConfig, TrainConfig } from '../../native/generated.js'
import { open } from '../../native/native-result.js'
import { crossing } from './prepare-config.js'

/** What to find out, and how named data sets are fetched. */
export interface PlanOptions extends PlanConfig, DownloadOptions {
  /** Images in memory, instead of `data`. */
  arrays?: Arrays | undefined
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
  const { json, device, download } = crossing(config)
  const request = toPlainJson(asked, 'the options')
  const native = arrays && toNativeArrays(arrays)
  await download?.({ signal, onDownload })
  const addon = torchAddon(device)
  return await endedBy(signal, addon, async (cancel) =>
    open<Plan>(await addon.plan(json, request, native, cancel)),
  )
}
