import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { hashFile } from '../download/checksum.js'
import {
  rethrowIfAborted,
  rootCause,
  throwIfAborted,
  UrlError,
} from '../download/download-error.js'
import { fetchFile } from '../download/fetch-file.js'
import {
  type DownloadRetry,
  HttpClient,
  type RetryOptions,
  type RetryPolicy,
} from '../download/http.js'
import { isOffline } from '../download/offline.js'
import { ResidualError } from '../errors/errors.js'
import type { PinnedWheel, WheelBuild } from './pinned-wheel.js'
import { type IndexedFile, listPage, listProject } from './sources/package-index.js'
import type { WheelSources } from './sources/wheel-sources.js'

/** Retries of a wheel. More than of other files, because a wheel of 500 MB takes minutes. */
export const WHEEL_RETRY_POLICY: RetryPolicy = {
  connectTimeout: 15_000,
  idleTimeout: 30_000,
  attempts: 10,
  backoff: 1_000,
}

const DOWNLOAD_HINT =
  'Run the command again: the download resumes. `residual setup --cuda --index-url URL` uses a ' +
  'mirror, HTTPS_PROXY sets a proxy, and `--bundle FOLDER` installs without a network.'

const SOURCE_HINT =
  'Check the URL of the index, or use another one: `residual setup --cuda --index-url URL`. ' +
  'HTTPS_PROXY sets a proxy, and `--bundle FOLDER` installs without a network.'

const OFFLINE_HINT =
  'Unset RESIDUAL_OFFLINE, or install from a folder with the wheels: ' +
  '`residual setup --cuda --bundle FOLDER`.'

const FOLDER_HINT =
  'Download the wheels with `residual setup --cuda --download-only FOLDER` on a machine with a ' +
  'network, or use an index: `residual setup --cuda --index-url URL`.'

export interface FetchWheelOptions {
  signal?: AbortSignal | undefined
  policy?: RetryPolicy | undefined
  /** Called with the number of bytes of this wheel that have been received. */
  onBytes?: ((bytes: number) => void) | undefined
  /** Called before a failed attempt is repeated. */
  onRetry?: ((retry: DownloadRetry) => void) | undefined
}

/**
 * Returns the path of a wheel with a pinned checksum: in one of the folders of `sources`, otherwise
 * downloaded to `downloads` from its pages and indexes. An interrupted download resumes.
 *
 * @throws {ResidualError} `E_DOWNLOAD` with the problem of each source, `E_WRITE`, `AbortError`
 */
export async function fetchWheel(
  wheel: PinnedWheel,
  sources: WheelSources,
  downloads: string,
  { signal, policy = WHEEL_RETRY_POLICY, onBytes, onRetry }: FetchWheelOptions = {},
): Promise<string> {
  const { path, problems } = await findWheel(wheel, [downloads, ...sources.folders], signal)
  if (path !== undefined) return path
  const retryOptions: RetryOptions = { signal, onRetry }
  let canRetry = false
  const pages = [
    ...sources.pages.map((url) => ({ url, list: listPage })),
    ...sources.indexes.map((url) => ({
      url,
      list: (http: HttpClient, policy: RetryPolicy, index: string, options: RetryOptions) =>
        listProject(http, policy, index, wheel.project, options),
    })),
  ]
  if (pages.length > 0 && isOffline()) problems.push('RESIDUAL_OFFLINE disables downloads')
  for (const { url, list } of isOffline() ? [] : pages) {
    const { origin, pathname } = new URL(url)
    try {
      await using http = await HttpClient.open(policy, sources.connection)
      const files = await list(http, policy, url, retryOptions)
      const [build, file] = selectBuild(wheel, files)
      const target = join(downloads, build.file)
      await fetchFile(
        {
          name: 'cuda',
          file: build.file,
          target,
          urls: [file.url],
          bytes: build.bytes ?? file.bytes,
          maxBytes: maxBytes(wheel),
          sha256: build.sha256,
          connection: sources.connection,
        },
        {
          signal,
          onDownload: ({ bytes, retry }) =>
            retry === undefined ? onBytes?.(bytes) : onRetry?.(retry),
        },
        policy,
      )
      return target
    } catch (error) {
      rethrowIfAborted(error, signal)
      canRetry ||= isRetriable(error)
      problems.push(`${origin}${pathname}: ${describeFailure(error)}`)
    }
  }
  throw new ResidualError({
    code: 'E_DOWNLOAD',
    message: `${fileNames(wheel)} is not available. ${problems.join('. ')}`,
    at: { file: join(downloads, wheel.builds[0]?.file ?? '') },
    hint: isOffline() ? OFFLINE_HINT : canRetry ? DOWNLOAD_HINT : SOURCE_HINT,
  })
}

/**
 * Returns the paths of wheels with pinned checksums in the folders of `sources`.
 *
 * @throws {ResidualError} `E_DOWNLOAD` with all wheels that are missing or damaged, `AbortError`
 */
export async function findWheels(
  wheels: readonly PinnedWheel[],
  { folders }: WheelSources,
  downloads: string,
  signal?: AbortSignal,
): Promise<string[]> {
  const paths: string[] = []
  const missing: string[] = []
  const damaged: string[] = []
  for (const wheel of wheels) {
    const { path, problems } = await findWheel(wheel, [downloads, ...folders], signal)
    if (path !== undefined) paths.push(path)
    else if (problems.length > 0) damaged.push(...problems)
    else missing.push(fileNames(wheel))
  }
  if (paths.length === wheels.length) return paths
  const problems = [...(missing.length > 0 ? [describeMissing(missing, folders)] : []), ...damaged]
  throw new ResidualError({
    code: 'E_DOWNLOAD',
    message: problems.join('. '),
    at: { file: folders[0] ?? downloads },
    hint: FOLDER_HINT,
  })
}

/** Describes wheels that sources without a network lack. */
function describeMissing(files: readonly string[], folders: readonly string[]): string {
  const [verb, pronoun] = files.length === 1 ? ['is', 'It is'] : ['are', 'They are']
  const reason =
    folders.length === 0
      ? 'The configuration of pip allows no index (`no-index`) and names no folder (`find-links`)'
      : `${pronoun} not in ${folders.join(' or ')}`
  return `${files.join(', ')} ${verb} not available. ${reason}`
}

/** Returns the names of the files that contain a wheel, one of which is needed. */
function fileNames({ builds }: PinnedWheel): string {
  return builds.map(({ file }) => file).join(' or ')
}

/** Searches folders for a wheel. Returns its path, or the problems of the wheels that were found. */
async function findWheel(
  wheel: PinnedWheel,
  folders: readonly string[],
  signal: AbortSignal | undefined,
): Promise<{ path: string | undefined; problems: string[] }> {
  const problems: string[] = []
  for (const folder of folders) {
    const path = await findInFolder(wheel, folder, problems, signal)
    if (path !== undefined) return { path, problems }
  }
  return { path: undefined, problems }
}

/** Upper limit for a wheel of unknown size. */
function maxBytes({ builds, installedBytes }: PinnedWheel): number {
  return Math.max(installedBytes, ...builds.map(({ bytes }) => bytes ?? 0)) + (64 << 20)
}

/**
 * Returns the wheel in a folder if its checksum matches. Adds the problem of a wheel that differs
 * or cannot be read.
 */
async function findInFolder(
  { builds }: PinnedWheel,
  folder: string,
  problems: string[],
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  for (const { file, bytes, sha256 } of builds) {
    const path = join(folder, file)
    const size = await stat(path).then(
      (stats) => (stats.isFile() ? stats.size : undefined),
      () => undefined,
    )
    if (size === undefined) continue
    if (bytes !== null && size !== bytes) {
      problems.push(`${path} has ${size} bytes instead of ${bytes}`)
      continue
    }
    try {
      const found = await hashFile(path, { signal })
      if (found.sha256 === sha256) return path
      problems.push(`${path} has SHA-256 ${found.sha256} instead of ${sha256}`)
    } catch (error) {
      throwIfAborted(signal)
      problems.push(`${path} cannot be read: ${(error as Error).message}`)
    }
  }
  return undefined
}

/** Selects a build that an index lists with the pinned checksum, or without a checksum. */
function selectBuild(
  { builds }: PinnedWheel,
  files: ReadonlyMap<string, IndexedFile>,
): [WheelBuild, IndexedFile] {
  for (const build of builds) {
    const file = files.get(build.file)
    if (file === undefined) continue
    if (file.sha256 === undefined || file.sha256 === build.sha256) return [build, file]
    throw new UrlError(
      `the index lists ${build.file} with SHA-256 ${file.sha256} instead of ${build.sha256}`,
    )
  }
  throw new UrlError('the index does not list this file')
}

/** Returns whether a repetition of the command may succeed with the same source. */
function isRetriable(error: unknown): boolean {
  const cause = error instanceof ResidualError ? error.cause : error
  return cause instanceof UrlError && cause.canRetry && !cause.isUnreachable
}

/** Describes why a source failed. An error of this machine, such as a full disk, is thrown. */
function describeFailure(error: unknown): string {
  if (error instanceof UrlError)
    return rootCause(error) === error.message
      ? error.message
      : `${error.message} (${rootCause(error)})`
  if (error instanceof ResidualError && error.code === 'E_DOWNLOAD') return error.message
  throw error
}
