import { coreAddon } from '../../native/addon.js'
import { toPath } from '../../native/arguments/path.js'
import { serializeConfig } from '../../native/arguments/serialize-config.js'
import type { InspectConfig, Inspection, LoadConfig } from '../../native/generated.js'
import { unwrapResult } from '../../native/native-result.js'

/** What no network's name has, and every path that is told from one. */
const PATH = /[/\\.]/

/**
 * Lists a network's layers with their shapes, parameters and multiply-adds. Of a trained one,
 * `checkpoint` tells what its file says: classes, what it was trained on, how far it came. Needs no
 * libtorch.
 *
 * @example
 * const { parameters, macs } = await inspect('resnet18')
 * const { checkpoint } = await inspect('runs/latest')
 *
 * @param network a name (`resnet18`), an object that says more, or a run folder, a checkpoint or
 *   weights of others (a path: it has a slash or a dot in it)
 * @param load what weights of others do not say of themselves
 * @throws {ResidualError} `E_CONFIG` for a network that there is not; `E_CHECKPOINT`, `E_MISMATCH`
 */
export async function inspect(
  network: string | URL | InspectConfig,
  load: LoadConfig = {},
): Promise<Inspection> {
  if (network instanceof URL || (typeof network === 'string' && PATH.test(network))) {
    const request = serializeConfig(load, 'the options')
    return unwrapResult(await coreAddon().inspectCheckpoint(toPath(network, 'network'), request))
  }
  const config = typeof network === 'string' ? { model: network } : network
  return unwrapResult(coreAddon().inspect(serializeConfig(config)))
}
