import { coreAddon } from '../addon.js'
import { unwrapResult } from '../native-result.js'

/**
 * Checks the options of a function before its data set is downloaded.
 *
 * @param options the options as JSON
 * @throws {ResidualError} `E_CONFIG`, `E_UNKNOWN_KEY`
 */
export function checkOptions(
  name: 'evaluate' | 'findLr' | 'plan' | 'preview' | 'train',
  options: string,
): void {
  unwrapResult<null>(coreAddon().checkOptions(name, options))
}
