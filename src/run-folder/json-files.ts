import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ResidualError } from '../errors/errors.js'

/**
 * Writes a file atomically (by rename), after creating its folder if necessary.
 *
 * @throws {ResidualError} `E_WRITE`
 */
export function replaceFile(path: string, content: string | Uint8Array): void {
  // Named like the core's temporary files: a run that is resumed removes those of killed processes.
  const temporary = join(dirname(path), `.residual-${randomUUID()}.tmp`)
  try {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(temporary, content)
    renameSync(temporary, path)
  } catch (cause) {
    removeIfPossible(temporary)
    const message = `${path} could not be written: ${(cause as Error).message}`
    throw new ResidualError({ code: 'E_WRITE', message, at: { file: path } }, { cause })
  }
}

/** Removes a file. Errors are ignored, so that they do not hide the error that is reported. */
function removeIfPossible(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {}
}

/**
 * Parses a JSON file; returns undefined if the file does not exist.
 *
 * @throws {ResidualError} `E_IO` if the file cannot be read or is not JSON
 */
export function readJson<T>(path: string): T | undefined {
  return readParsed(path, (text) => JSON.parse(text) as T)
}

/**
 * Parses a JSON Lines file; returns an empty array if the file does not exist.
 *
 * @throws {ResidualError} `E_IO` if the file cannot be read or a line is not JSON
 */
export function readJsonLines<T>(path: string): T[] {
  const parse = (text: string) =>
    text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as T)
  return readParsed(path, parse) ?? []
}

function readParsed<T>(path: string, parse: (text: string) => T): T | undefined {
  try {
    return parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    const message = `${path} could not be read: ${(cause as Error).message}`
    const hint = 'Remove the file, or set `overwrite` to start over.'
    throw new ResidualError({ code: 'E_IO', message, at: { file: path }, hint }, { cause })
  }
}
