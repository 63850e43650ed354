import { torchAddon } from '../../native/addon.js'
import { serializeConfig } from '../../native/arguments/serialize-config.js'
import { requestedDevice } from '../../native/cuda.js'
import type { BenchConfig, BenchResult } from '../../native/generated.js'
import { unwrapResult } from '../../native/native-result.js'

/**
 * Measures what this machine makes of a network (`residual bench`): whole updates and forward
 * passes, on images that are in memory already. Each is measured several times, in turns, and all
 * the rounds are given: machines drift, and one number alone says little.
 *
 * @example
 * const measured = await bench('resnet18')
 * console.log(measured.train.median, 'images a second')
 *
 * @param config a network's name, or an object that says more
 * @throws {ResidualError} `E_CONFIG`, `E_UNKNOWN_KEY`, `E_DEVICE`, `E_LIBTORCH`; `E_MEMORY` where
 *   that runs out
 */
export async function bench(config: string | BenchConfig = {}): Promise<BenchResult> {
  const request = serializeConfig(typeof config === 'string' ? { model: config } : config)
  return unwrapResult(await torchAddon(requestedDevice(config)).bench(request))
}
