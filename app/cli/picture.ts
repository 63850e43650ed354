import { writeFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { type Picture, ResidualError } from '../../bindings/ts/index.js'

/** The kinds of file that a picture is written as, by their endings. */
const KINDS = ['.svg', '.png']

/**
 * Refuses a file that no picture can be written as, before any work is done for it.
 *
 * @throws {ResidualError} `E_USAGE`
 */
export function checkPicturePath(path: string, key: string): void {
  if (KINDS.includes(extname(path).toLowerCase())) return
  throw new ResidualError({
    code: 'E_USAGE',
    message: `a picture cannot be written as '${path}'`,
    at: { key },
    hint: `Let its name end in ${KINDS.join(' or ')}.`,
  })
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
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new ResidualError(
      {
        code: 'E_WRITE',
        message: `${path} could not be written: ${reason}`,
        at: { file: path },
        hint: 'Choose a place that is there and may be written to.',
      },
      { cause },
    )
  }
}
