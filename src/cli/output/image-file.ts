import { writeFile } from 'node:fs/promises'
import { extname } from 'node:path'
import type { ImageGrid } from '../../index.js'
import { cliError } from '../messages.js'

const EXTENSIONS = ['.svg', '.png']

/**
 * Checks the extension of an output image, so that an error is reported before any computation.
 *
 * @param flag name of the option, for the error message
 * @throws {ResidualError} `E_USAGE`
 */
export function checkImagePath(path: string, flag: string): void {
  if (EXTENSIONS.includes(extname(path).toLowerCase())) return
  throw cliError.imageExtension(path, flag, EXTENSIONS)
}

/**
 * Writes an image grid as SVG or PNG, depending on the extension of the file.
 *
 * @param path with an extension accepted by `checkImagePath`
 * @throws {ResidualError} `E_WRITE`
 */
export async function writeImageFile(path: string, grid: ImageGrid): Promise<void> {
  const data = extname(path).toLowerCase() === '.svg' ? grid.svg : grid.png({ scale: 2 })
  try {
    await writeFile(path, data)
  } catch (cause) {
    throw cliError.unwritable(path, cause)
  }
}
