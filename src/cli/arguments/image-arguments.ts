import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { cliError } from '../messages.js'
import { isOverride } from './config-arguments.js'

const IMAGE_EXTENSION = /\.(jpe?g|png)$/i
const STDIN = '-'

/** An image given on the command line. */
export interface ImageArgument {
  /** Path of the file; `-` for stdin. */
  name: string
  /** Contents, if the image came from stdin. */
  bytes?: Buffer
}

/** Whether a word is an image and not an override; file names may contain an equals sign. */
export function isImageArgument(word: string): boolean {
  return !isOverride(word) || existsSync(word)
}

/**
 * Expands image arguments: files, folders (all images at any depth, sorted) and `-` for stdin.
 *
 * @throws {ResidualError} `E_DATA_NOT_FOUND` for a folder without images, `E_IO` for a folder that
 *   cannot be read, `E_USAGE` if stdin is a terminal
 */
export async function readImageArguments(words: readonly string[]): Promise<ImageArgument[]> {
  const images: ImageArgument[] = []
  for (const word of words) {
    if (word === STDIN) images.push({ name: STDIN, bytes: await readStdin() })
    else if (statSync(word, { throwIfNoEntry: false })?.isDirectory())
      images.push(...listImages(word))
    else images.push({ name: word })
  }
  return images
}

async function readStdin(): Promise<Buffer> {
  if (process.stdin.isTTY) throw cliError.stdinIsTerminal()
  return await buffer(process.stdin)
}

function listImages(folder: string): ImageArgument[] {
  let names: string[]
  try {
    names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  } catch (cause) {
    throw cliError.unreadableFolder(folder, cause)
  }
  const images = names.filter((name) => IMAGE_EXTENSION.test(name)).sort()
  if (images.length === 0) throw cliError.noImages(folder)
  return images.map((name) => ({ name: join(folder, name) }))
}
