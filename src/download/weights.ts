import { join } from 'node:path'
import { weightsCacheDir } from '../native/cache-dirs.js'
import { type DownloadOptions, fetchFile } from './fetch-file.js'
import { PATIENCE, type Patience } from './http.js'
import { addresses } from './mirror.js'

/** Trained weights that somebody has published. */
export interface PublishedWeights {
  /** `resnet18-f37072fd.pth` */
  file: string
  /** The address of the folder that it is in. */
  from: string
  /** In hexadecimal; torchvision publishes the first eight digits. */
  sha256: string
  /** Nearly: torchvision states it in MiB, with three places. */
  bytes: number
}

/** The largest that torchvision has for our architectures (VGG-19) is 575 MB. */
const MOST = 2e9

/** Where it is fetched from. */
export function addressOf({ file, from }: Pick<PublishedWeights, 'file' | 'from'>): string {
  return addresses('weights', file, [from])[0] as string
}

/**
 * The path of published weights: in the cache or, if they are not there, after a download.
 *
 * @throws {ResidualError} as `fetchFile` does
 */
export async function ensureWeights(
  { file, from, sha256 }: Omit<PublishedWeights, 'bytes'>,
  options: DownloadOptions = {},
  patience: Patience = PATIENCE,
): Promise<string> {
  const target = join(weightsCacheDir(), file)
  const urls = addresses('weights', file, [from])
  await fetchFile(
    { name: 'weights', file, target, urls, bytes: undefined, most: MOST, sha256 },
    options,
    patience,
  )
  return target
}
