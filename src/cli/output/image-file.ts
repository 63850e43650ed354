import { writeFile } from 'node:fs/promises'
import { extname } from 'node:path'
import type { Picture } from '../../index.js'
import { refusal } from '../messages.js'

/** The kinds of file that a picture is written as, by their endings. */
const KINDS = ['.svg', '.png']

/**
 * Refuses a file that no picture can be written as, before any work is done for it.
 *
 * @throws {ResidualError} `E_USAGE`
 */
export function checkPicturePath(path: string, key: string): void {
  if (KINDS.includes(extname(path).toLowerCase())) return
  throw refusal.picture(path, key, KINDS)
}

/**
 * Writes a picture as its file's ending says.
 *
 * @throws {ResidualError} `E_USAGE`, `E_WRITE`
 */
export async function writePicture(path: string, picture: Picture): Promise<void> {
  checkPicturePath(path, 'picture')
  const data = extname(path).toLowerCase() === '.svg' ? picture.svg : picture.png({ scale: 2 })
  try {
    await writeFile(path, data)
  } catch (cause) {
    throw refusal.unwritable(path, cause)
  }
}
