import { join } from 'node:path'
import { coreAddon } from '../../native/addon.js'
import { unwrapResult } from '../../native/native-result.js'

/**
 * Lists the images below a folder by the same rules as for training: by content and not by name,
 * without hidden files, folders of operating systems and run folders. Sorted by path.
 *
 * @throws {ResidualError} `E_IO` if the folder cannot be read
 */
export function listImages(folder: string): string[] {
  const names = unwrapResult<string[]>(coreAddon().listImages(folder))
  return names.map((name) => join(folder, name)).sort()
}
