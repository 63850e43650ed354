import { constants } from 'node:fs'
import { type FileHandle, open, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { type JsonObject, parseObject } from '../run-folder/json-object.js'

/** Maximum size of a file that is read into memory, in bytes; run files are smaller. */
const MAX_SIZE = 64 * 2 ** 20

/**
 * Opens a regular file of a run folder for reading. Symbolic links are not followed, even if the
 * folder itself has been replaced by a link since the search.
 *
 * @param dir absolute, without symbolic links
 * @returns undefined if there is no such file
 */
export async function openRunFile(dir: string, name: string): Promise<FileHandle | undefined> {
  try {
    if ((await realpath(dir)) !== dir) return undefined
    // O_NONBLOCK: opening a named pipe must not wait for a writer.
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
    const file = await open(join(dir, name), flags)
    if ((await file.stat()).isFile()) return file
    await file.close()
  } catch {
    // Unreadable files are treated like missing files.
  }
  return undefined
}

/**
 * Reads a small file of a run folder.
 *
 * @param from position of the first byte; negative from the end
 * @param length maximum number of bytes. Default: the rest of the file
 * @returns undefined if there is no such file
 */
export async function readRunFile(
  dir: string,
  name: string,
  from = 0,
  length = Number.POSITIVE_INFINITY,
): Promise<string | undefined> {
  const file = await openRunFile(dir, name)
  if (file === undefined) return undefined
  try {
    const { size } = await file.stat()
    const start = from < 0 ? Math.max(0, size + from) : Math.min(from, size)
    const numBytes = Math.min(size - start, length)
    if (numBytes > MAX_SIZE) return undefined
    const bytes = Buffer.alloc(numBytes)
    const { bytesRead } = await file.read(bytes, 0, bytes.length, start)
    return bytes.toString('utf8', 0, bytesRead)
  } catch {
    return undefined
  } finally {
    await file.close()
  }
}

/** Reads a JSON object from a file of a run folder; undefined if the file contains none. */
export async function readRunObject(dir: string, name: string): Promise<JsonObject | undefined> {
  return parseObject((await readRunFile(dir, name)) ?? '')
}
