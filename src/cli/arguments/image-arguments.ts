import { existsSync, statSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { listImages } from '../../api/data/list-images.js'
import { cliError } from '../messages.js'
import { log } from '../output/streams.js'
import { formatWarning } from '../output/warning.js'
import { isOverride } from './config-arguments.js'

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
    else if (/^https?:\/\//i.test(word)) throw cliError.imageUrl(word)
    else if (statSync(word, { throwIfNoEntry: false })?.isDirectory())
      images.push(...readFolder(word))
    else images.push({ name: word })
  }
  return images
}

async function readStdin(): Promise<Buffer> {
  if (process.stdin.isTTY) throw cliError.stdinIsTerminal()
  return await buffer(process.stdin)
}

function readFolder(folder: string): ImageArgument[] {
  const { images, warnings } = listImages(folder)
  for (const warning of warnings) log(formatWarning(warning))
  if (images.length === 0) throw cliError.noImages(folder)
  return images.map((name) => ({ name }))
}
