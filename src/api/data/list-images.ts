import { join } from 'node:path'
import { coreAddon } from '../../native/addon.js'
import type { WarningEvent } from '../../native/generated.js'
import { unwrapResult } from '../../native/native-result.js'

/** The images below a folder, and warnings about skipped files and folders. */
export interface ListedImages {
  /** Paths of the images, sorted. */
  images: string[]
  warnings: WarningEvent[]
}

/**
 * Lists the images below a folder by the same rules as for training: by content and not by name,
 * without hidden files, backups, temporary files, incomplete downloads, folders of operating systems
 * and run folders.
 *
 * @throws {ResidualError} `E_IO` if the folder cannot be read
 */
export function listImages(folder: string): ListedImages {
  const { images, warnings } = unwrapResult<ListedImages>(coreAddon().listImages(folder))
  return { images: images.map((name) => join(folder, name)).sort(), warnings }
}
