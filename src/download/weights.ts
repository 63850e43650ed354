import { join } from 'node:path'
import { noCacheDirError, weightsCacheDir } from '../native/cache-dirs.js'
import { type DownloadOptions, fetchFile } from './fetch-file.js'
import { DEFAULT_RETRY_POLICY, type RetryPolicy } from './http.js'
import { fileUrls } from './mirror.js'

/** A published weights file. */
export interface PublishedWeights {
  /** Name of the file, such as `resnet18-f37072fd.pth`. */
  file: string
  /** URL of the folder that contains the file. */
  from: string
  /** SHA-256 in hexadecimal; torchvision publishes the first eight digits. */
  sha256: string
  /** Approximate size in bytes: torchvision publishes MiB with three decimals. */
  bytes: number
}

/** Upper limit of a download. The largest file that torchvision publishes (VGG-19) is 575 MB. */
const MAX_BYTES = 2e9

/** Returns the URL of a weights file. */
export function weightsUrl({ file, from }: Pick<PublishedWeights, 'file' | 'from'>): string {
  return fileUrls('weights', file, [from])[0] as string
}

/**
 * Returns the path of a weights file in the cache. Downloads the file if necessary.
 *
 * @throws {ResidualError} the errors of `fetchFile`; `E_WRITE` without a cache folder
 */
export async function ensureWeights(
  { file, from, sha256 }: Omit<PublishedWeights, 'bytes'>,
  options: DownloadOptions = {},
  retryPolicy: RetryPolicy = DEFAULT_RETRY_POLICY,
): Promise<string> {
  const folder = weightsCacheDir()
  if (folder === undefined) throw noCacheDirError(file)
  const target = join(folder, file)
  const urls = fileUrls('weights', file, [from])
  await fetchFile(
    { name: 'weights', file, target, urls, bytes: undefined, maxBytes: MAX_BYTES, sha256 },
    options,
    retryPolicy,
  )
  return target
}
