import { existsSync, statSync } from 'node:fs'

/** A path inside an archive of Electron, such as `app.asar`. */
const INSIDE_ASAR = /^(.*\.asar)([\\/].*)$/s

/**
 * Returns the path of a file that Electron's packaging left outside of an archive, in the folder
 * `app.asar.unpacked` beside it. Returns every other path unchanged.
 */
export function unpackedPath(path: string): string {
  const [, archive, rest] = INSIDE_ASAR.exec(path) ?? []
  const unpacked = `${archive}.unpacked${rest}`
  return archive !== undefined && existsSync(unpacked) ? unpacked : path
}

/** Returns the archive that contains a path; undefined if the path is not in an archive. */
export function enclosingArchive(path: string): string | undefined {
  const asar = INSIDE_ASAR.exec(path)?.[1]
  if (asar !== undefined) return asar
  // Yarn's Plug'n'Play resolves to paths in zip files. A folder may have such a name, too.
  const zip = /^(.*\.zip)[\\/]/s.exec(path)?.[1]
  const isFile = zip !== undefined && statSync(zip, { throwIfNoEntry: false })?.isFile()
  return isFile ? zip : undefined
}
