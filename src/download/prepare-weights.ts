import { existsSync, readdirSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import { AbortError, ResidualError } from '../errors/errors.js'
import { coreAddon, torchAddon } from '../native/addon.js'
import { weightsCacheDir } from '../native/cache-dirs.js'
import { runCancellable } from '../native/cancel.js'
import { requestedDevice } from '../native/cuda.js'
import { unwrapResult } from '../native/native-result.js'
import { knownDatasets } from './dataset-registry.js'
import { reason, throwIfAborted } from './download-error.js'
import type { DownloadOptions } from './fetch-file.js'
import type { Patience } from './http.js'
import { isOffline } from './offline.js'
import type { PublishedWeights } from './weights.js'

/** Nobody asked for the download: a network that does not answer is not waited for. */
const UNASKED: Patience = { connect: 5_000, stall: 10_000, tries: 1, backoff: 0 }
/** Nor is one that is slow, in ms: what has come is kept, and the next run goes on from there. */
const UNASKED_LIMIT = 120_000

/** Lists of images. */
const LISTS: readonly string[] = ['.csv', '.jsonl', '.ndjson']

/**
 * What has to be downloaded before a network can begin with published weights: those that were asked
 * for, or those that a few photographs are to begin from where nobody said anything. The latter may
 * fail: the run then begins from nothing, and says so.
 *
 * @param config plain data that nobody has checked yet
 * @returns undefined if there is nothing to do
 * @throws {ResidualError} `E_CONFIG` if none are published for the architecture
 */
export function prepareWeights(
  config: Record<string, unknown>,
): ((options: DownloadOptions) => Promise<unknown>) | undefined {
  const { data, model, resume } = config
  const { arch, weights } = asObject(model, 'arch')
  const named = typeof arch === 'string' && arch !== 'auto' ? arch : undefined
  if (weights === 'imagenet') {
    const file = publishedFor(named)
    return async (options) => {
      const { ensureWeights } = await import('./weights.js')
      await ensureWeights(file, options)
    }
  }
  const said = weights !== undefined && weights !== null && weights !== 'auto'
  if (said || (resume !== undefined && resume !== null) || isOffline()) return undefined
  const { source } = asObject(data, 'source')
  if (typeof source !== 'string' || !mayBePhotographs(source)) return undefined
  if (isHere(named)) return undefined
  return (options) => fetchUnasked(config, options)
}

/** A folder that has folders, or a list: what it holds, the core looks. */
function mayBePhotographs(source: string): boolean {
  if (knownDatasets().some(({ name }) => name === source)) return false
  try {
    if (!statSync(source).isDirectory()) return LISTS.includes(extname(source).toLowerCase())
    return readdirSync(source, { withFileTypes: true }).some((entry) => !entry.isFile())
  } catch {
    return false // the core tells what is wrong with it
  }
}

function isHere(arch: string | undefined): boolean {
  try {
    return existsSync(join(weightsCacheDir(), publishedFor(arch).file))
  } catch {
    return true // none are published: nothing is missing
  }
}

function publishedFor(arch: string | undefined): PublishedWeights {
  return unwrapResult<PublishedWeights>(coreAddon().publishedWeights(arch))
}

async function fetchUnasked(config: object, { signal, onDownload }: DownloadOptions) {
  const file = await wanted(config, signal)
  if (file === undefined) return
  const { addressOf, ensureWeights } = await import('./weights.js')
  const limit = AbortSignal.timeout(UNASKED_LIMIT)
  const both = signal === undefined ? limit : AbortSignal.any([signal, limit])
  onDownload?.({
    name: 'weights',
    file: file.file,
    url: addressOf(file),
    bytes: 0,
    total: file.bytes,
  })
  try {
    await ensureWeights(file, { signal: both, onDownload }, UNASKED)
  } catch (error) {
    throwIfAborted(signal)
    const slow = `they had not come after ${UNASKED_LIMIT / 1000} s; what has come is kept`
    const why = limit.aborted ? slow : reason(error)
    torchAddon(requestedDevice(config)).setWeightsNotFetched(file.file, why)
  }
}

/** What the configuration would begin from, if that is not here; undefined also where it is wrong. */
async function wanted(
  config: object,
  signal: AbortSignal | undefined,
): Promise<PublishedWeights | undefined> {
  const addon = coreAddon()
  try {
    return await runCancellable(
      signal,
      addon,
      async (cancel) =>
        unwrapResult<PublishedWeights | null>(
          await addon.defaultWeights(JSON.stringify(config), cancel),
        ) ?? undefined,
    )
  } catch (error) {
    if (error instanceof ResidualError && !(error instanceof AbortError)) return undefined
    throw error
  }
}

/** A configuration's part, which may be a bare word. */
function asObject(value: unknown, word: string): Record<string, unknown> {
  if (typeof value === 'string') return { [word]: value }
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
