import { constants } from 'node:fs'
import { type FileHandle, open, realpath } from 'node:fs/promises'
import { join } from 'node:path'

/** Nothing that a run writes and is read as a whole is larger. */
const LARGEST = 64 * 2 ** 20

/**
 * Opens a file of a run folder for reading: a regular file, and no link out of the folder, which
 * must still be where it was found.
 *
 * @param dir absolute, without symbolic links
 * @returns undefined if there is no such file
 */
export async function openRunFile(dir: string, name: string): Promise<FileHandle | undefined> {
  try {
    if ((await realpath(dir)) !== dir) return undefined
    // Opening a pipe must not wait for somebody to write to it.
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
    const file = await open(join(dir, name), flags)
    if ((await file.stat()).isFile()) return file
    await file.close()
  } catch {
    // Not there, not ours to read, or gone since: for who looks on it is all the same.
  }
  return undefined
}

/**
 * Reads a small file of a run folder.
 *
 * @param from the position to begin at; from the end, if negative
 * @returns undefined if there is no such file
 */
export async function readRunFile(
  dir: string,
  name: string,
  from = 0,
): Promise<string | undefined> {
  const file = await openRunFile(dir, name)
  if (file === undefined) return undefined
  try {
    const { size } = await file.stat()
    const begin = from < 0 ? Math.max(0, size + from) : Math.min(from, size)
    if (size - begin > LARGEST) return undefined
    const bytes = Buffer.alloc(size - begin)
    const { bytesRead } = await file.read(bytes, 0, bytes.length, begin)
    return bytes.toString('utf8', 0, bytesRead)
  } catch {
    return undefined
  } finally {
    await file.close()
  }
}

/** The object in a JSON file of a run folder; undefined if it holds none. */
export async function readRunObject(
  dir: string,
  name: string,
): Promise<Record<string, unknown> | undefined> {
  try {
    const read: unknown = JSON.parse((await readRunFile(dir, name)) ?? '')
    return isObject(read) ? read : undefined
  } catch {
    return undefined
  }
}

/** Whether a value has keys. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
