import { existsSync, readdirSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import { AbortError, ResidualError } from '../errors/errors.js'
import { coreAddon, torchAddon } from '../native/addon.js'
import { weightsCacheDir } from '../native/cache-dirs.js'
import { runCancellable } from '../native/cancel.js'
import { requestedDevice } from '../native/device.js'
import { unwrapResult } from '../native/native-result.js'
import { knownDatasets } from './dataset-registry.js'
import { rootCause, throwIfAborted } from './download-error.js'
import type { DownloadOptions } from './fetch-file.js'
import type { RetryPolicy } from './http.js'
import { isOffline } from './offline.js'
import type { PublishedWeights } from './weights.js'

/** Short timeouts, because default weights are optional: a run must not wait long for a network. */
const DEFAULT_WEIGHTS_POLICY: RetryPolicy = {
  connectTimeout: 5_000,
  idleTimeout: 10_000,
  attempts: 1,
  backoff: 0,
}
/** Time limit for default weights in ms; the next run resumes the download. */
const DEFAULT_WEIGHTS_TIMEOUT = 120_000

/** Extensions of image lists. */
const LIST_EXTENSIONS: readonly string[] = ['.csv', '.jsonl', '.ndjson']

/**
 * Returns a function that downloads the initial weights of a configuration: the requested weights,
 * or ImageNet weights as the default for few photos. If the download of default weights fails, the
 * run starts from random weights with a warning.
 *
 * @param config plain data, not validated yet
 * @returns undefined if nothing has to be downloaded
 * @throws {ResidualError} `E_CONFIG` if no weights are published for the architecture
 */
export function prepareWeights(
  config: Record<string, unknown>,
): ((options: DownloadOptions) => Promise<unknown>) | undefined {
  const { data, model, resume } = config
  const { arch: archValue, weights } = toObject(model, 'arch')
  const arch = typeof archValue === 'string' && archValue !== 'auto' ? archValue : undefined
  if (weights === 'imagenet') {
    const file = findPublishedWeights(arch)
    return async (options) => {
      const { ensureWeights } = await import('./weights.js')
      await ensureWeights(file, options)
    }
  }
  const isExplicit = weights !== undefined && weights !== null && weights !== 'auto'
  if (isExplicit || (resume !== undefined && resume !== null) || isOffline()) return undefined
  const { source } = toObject(data, 'source')
  if (typeof source !== 'string' || !mayContainPhotos(source)) return undefined
  if (isCached(arch)) return undefined
  return (options) => downloadDefaultWeights(config, options)
}

/** Returns whether a source is a folder with subfolders or an image list, which the core scans. */
function mayContainPhotos(source: string): boolean {
  if (knownDatasets().some(({ name }) => name === source)) return false
  try {
    if (!statSync(source).isDirectory()) {
      return LIST_EXTENSIONS.includes(extname(source).toLowerCase())
    }
    return readdirSync(source, { withFileTypes: true }).some((entry) => !entry.isFile())
  } catch {
    return false // the core reports the error
  }
}

function isCached(arch: string | undefined): boolean {
  const folder = weightsCacheDir()
  try {
    const { file } = findPublishedWeights(arch)
    return folder !== undefined && existsSync(join(folder, file))
  } catch {
    return true // there are no published weights to download
  }
}

function findPublishedWeights(arch: string | undefined): PublishedWeights {
  return unwrapResult<PublishedWeights>(coreAddon().publishedWeights(arch))
}

async function downloadDefaultWeights(
  config: object,
  { signal, onDownload }: DownloadOptions,
): Promise<void> {
  const weights = await findDefaultWeights(config, signal)
  if (weights === undefined) return
  const { ensureWeights, weightsUrl } = await import('./weights.js')
  const timeout = AbortSignal.timeout(DEFAULT_WEIGHTS_TIMEOUT)
  const combined = signal === undefined ? timeout : AbortSignal.any([signal, timeout])
  onDownload?.({
    name: 'weights',
    file: weights.file,
    url: weightsUrl(weights),
    bytes: 0,
    total: weights.bytes,
  })
  try {
    await ensureWeights(weights, { signal: combined, onDownload }, DEFAULT_WEIGHTS_POLICY)
  } catch (error) {
    throwIfAborted(signal)
    const seconds = DEFAULT_WEIGHTS_TIMEOUT / 1000
    const reason = timeout.aborted
      ? `the download was not complete after ${seconds} s; the next run resumes it`
      : rootCause(error)
    torchAddon(requestedDevice(config)).setWeightsNotFetched(weights.file, reason)
  }
}

/**
 * Returns the default weights of a run; undefined if it has none, or for an invalid configuration.
 */
async function findDefaultWeights(
  config: object,
  signal: AbortSignal | undefined,
): Promise<PublishedWeights | undefined> {
  const addon = coreAddon()
  try {
    return await runCancellable(signal, addon, async (cancel) => {
      const result = await addon.defaultWeights(JSON.stringify(config), cancel)
      return unwrapResult<PublishedWeights | null>(result) ?? undefined
    })
  } catch (error) {
    if (error instanceof ResidualError && !(error instanceof AbortError)) return undefined
    throw error
  }
}

/** Expands the shorthand string of a configuration section. */
function toObject(value: unknown, shorthandKey: string): Record<string, unknown> {
  if (typeof value === 'string') return { [shorthandKey]: value }
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
