import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { refusal } from '../messages.js'
import { isSetting } from './config-arguments.js'

/** A file's ending that says that it is an image which can be read. */
const IMAGE = /\.(jpe?g|png)$/i
const STDIN = '-'

/** An image that was named on the command line. */
export interface Named {
  /** Its path; `-` for what came from stdin. */
  name: string
  /** Of what came from stdin. */
  bytes?: Buffer
}

/** Whether a word names images, and is no setting. (A file may have an equals sign in its name.) */
export function isImageWord(word: string): boolean {
  return !isSetting(word) || existsSync(word)
}

/**
 * What words name: files as they are, all images in and below folders by name, and stdin.
 *
 * @throws {ResidualError} `E_DATA_NOT_FOUND` for a folder without images, `E_IO` for one that cannot
 *   be read, `E_USAGE` for a stdin that is a keyboard
 */
export async function namedImages(words: readonly string[]): Promise<Named[]> {
  const named: Named[] = []
  for (const word of words) {
    if (word === STDIN) named.push({ name: STDIN, bytes: await fromStdin() })
    else if (statSync(word, { throwIfNoEntry: false })?.isDirectory()) named.push(...inside(word))
    else named.push({ name: word })
  }
  return named
}

async function fromStdin(): Promise<Buffer> {
  if (process.stdin.isTTY) throw refusal.terminalInput()
  return await buffer(process.stdin)
}

function inside(folder: string): Named[] {
  let names: string[]
  try {
    names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  } catch (cause) {
    throw refusal.unreadableFolder(folder, cause)
  }
  const images = names.filter((name) => IMAGE.test(name)).sort()
  if (images.length === 0) throw refusal.noImages(folder)
  return images.map((name) => ({ name: join(folder, name) }))
}
