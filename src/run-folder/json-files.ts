import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { ResidualError } from '../errors/errors.js'

/**
 * Writes a file in one move, its folder first if that is missing.
 *
 * @throws {ResidualError} `E_WRITE`
 */
export function replaceFile(path: string, content: string | Uint8Array): void {
  const staged = `${path}.${process.pid}.tmp`
  try {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(staged, content)
    renameSync(staged, path)
  } catch (cause) {
    const message = `${path} could not be written: ${(cause as Error).message}`
    throw new ResidualError({ code: 'E_WRITE', message, at: { file: path } }, { cause })
  }
}

/**
 * What a file of ours holds; undefined if there is none.
 *
 * @throws {ResidualError} `E_IO` if it cannot be read or is not JSON
 */
export function readJson<T>(path: string): T | undefined {
  return read(path, (text) => JSON.parse(text) as T)
}

/**
 * The same of a file with one JSON text a line.
 *
 * @throws {ResidualError} `E_IO`
 */
export function readJsonLines<T>(path: string): T[] {
  const parse = (text: string) =>
    text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as T)
  return read(path, parse) ?? []
}

function read<T>(path: string, parse: (text: string) => T): T | undefined {
  try {
    return parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    const message = `${path} could not be read: ${(cause as Error).message}`
    const hint = 'Remove it, or set `overwrite`, to begin anew.'
    throw new ResidualError({ code: 'E_IO', message, at: { file: path }, hint }, { cause })
  }
}
