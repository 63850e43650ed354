import { writeFile } from 'node:fs/promises'
import { extname } from 'node:path'
import type { ImageGrid } from '../../index.js'
import { cliError } from '../messages.js'

const EXTENSIONS = ['.svg', '.png']

/**
 * Checks the extension of an output image before any work is done for it.
 *
 * @throws {ResidualError} `E_USAGE`
 */
export function checkImagePath(path: string, key: string): void {
  if (EXTENSIONS.includes(extname(path).toLowerCase())) return
  throw cliError.imageExtension(path, key, EXTENSIONS)
}

/**
 * Writes an image grid as SVG or PNG, by the file's extension.
 *
 * @throws {ResidualError} `E_USAGE`, `E_WRITE`
 */
export async function writeImageFile(path: string, grid: ImageGrid): Promise<void> {
  checkImagePath(path, 'picture')
  const data = extname(path).toLowerCase() === '.svg' ? grid.svg : grid.png({ scale: 2 })
  try {
    await writeFile(path, data)
  } catch (cause) {
    throw cliError.unwritable(path, cause)
  }
}
