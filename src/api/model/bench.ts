import { torchAddon } from '../../native/addon.js'
import { serializeOptions } from '../../native/arguments/serialize-config.js'
import { requestedDevice } from '../../native/device.js'
import type { BenchConfig, BenchResult } from '../../native/generated.js'
import { unwrapResult } from '../../native/native-result.js'

/**
 * Measures the throughput of a network on this machine (`residual bench`): training steps and
 * forward passes on random images in memory. The rounds of training and inference alternate,
 * because clock speeds drift; the result contains all rounds.
 *
 * @example
 * const throughput = await bench('resnet18')
 * console.log(throughput.train.median, 'images per second')
 *
 * @param config name of a network, or an object with further settings
 * @throws {ResidualError} `E_CONFIG`, `E_UNKNOWN_KEY`, `E_DEVICE`, `E_LIBTORCH`, `E_MEMORY`
 */
export async function bench(config: string | BenchConfig = {}): Promise<BenchResult> {
  const request = serializeOptions(typeof config === 'string' ? { model: config } : config)
  return unwrapResult(await torchAddon(requestedDevice(config)).bench(request))
}
