import { coreAddon } from '../../native/addon.js'
import { toPath } from '../../native/arguments/path.js'
import { serializeOptions } from '../../native/arguments/serialize-config.js'
import type { InspectConfig, Inspection, LoadConfig } from '../../native/generated.js'
import { unwrapResult } from '../../native/native-result.js'

/** Characters that distinguish a path from the name of a network. */
const PATH_CHARACTERS = /[/\\.]/

/**
 * Lists the layers of a network with output shapes, parameters and multiply-adds. For a trained
 * network, `checkpoint` contains its classes, training data and training progress. Does not load
 * libtorch.
 *
 * @example
 * const { parameters, macs } = await inspect('resnet18')
 * const { checkpoint } = await inspect('runs/latest')
 *
 * @param network name of a network (`resnet18`), an object with further settings, or the path of a
 *   run folder, a checkpoint or a weights file (a string with a slash or a dot is a path)
 * @param load properties that weights files of other frameworks do not contain, as in `loadModel()`
 * @throws {ResidualError} `E_CONFIG` for an unknown network; `E_CHECKPOINT`, `E_MISMATCH`
 */
export async function inspect(
  network: string | URL | InspectConfig,
  load: LoadConfig = {},
): Promise<Inspection> {
  if (network instanceof URL || (typeof network === 'string' && PATH_CHARACTERS.test(network))) {
    const request = serializeOptions(load)
    return unwrapResult(await coreAddon().inspectCheckpoint(toPath(network, 'network'), request))
  }
  const config = typeof network === 'string' ? { model: network } : network
  return unwrapResult(coreAddon().inspect(serializeOptions(config)))
}
