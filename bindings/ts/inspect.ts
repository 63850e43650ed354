import { open } from './errors.js'
import type { InspectConfig, Inspection } from './generated.js'
import { lightAddon } from './native.js'
import { toPlainJson } from './plain.js'

/**
 * Lists a network's layers with their shapes, parameters and multiply-adds. Needs no libtorch.
 *
 * @param network a name (`resnet18`), or an object that says more
 * @throws {ResidualError} `E_CONFIG` for a network that there is not
 */
export async function inspect(network: string | InspectConfig): Promise<Inspection> {
  const config = typeof network === 'string' ? { model: network } : network
  return open(lightAddon().inspect(toPlainJson(config)))
}
