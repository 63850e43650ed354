import { open } from '../envelope.js'
import { lightAddon } from '../native.js'
import type { DownloadOptions } from './fetch-file.js'
import { ensureWeights, type PublishedWeights } from './weights.js'

/**
 * What has to be downloaded before a network can begin with published weights.
 *
 * @param model of a configuration that nobody has checked yet
 * @returns undefined if there is nothing to do
 * @throws {ResidualError} `E_CONFIG` if none are published for the architecture
 */
export function prepareWeights(
  model: unknown,
): ((options: DownloadOptions) => Promise<unknown>) | undefined {
  if (typeof model !== 'object' || model === null) return undefined
  const { arch, weights } = model as { arch?: unknown; weights?: unknown }
  if (weights !== 'imagenet') return undefined
  const named = typeof arch === 'string' && arch !== 'auto' ? arch : undefined
  const file = open<PublishedWeights>(lightAddon().publishedWeights(named))
  return (options) => ensureWeights(file, options)
}
