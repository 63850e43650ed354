import { closeSync, openSync, readSync } from 'node:fs'
import type { Document, LineCounter, Node, Pair } from 'yaml'
import { requireFromPackage } from '../../native/loading/package-files.js'

/**
 * Maximum size of a configuration file in bytes. The time of the parser grows with the square of
 * the number of keys and anchors; a file of this size takes seconds at most.
 */
const MAX_SIZE = 128 * 2 ** 10

/** A parsed configuration file in YAML or JSON (a subset of YAML). */
export interface YamlText {
  value: unknown
  /**
   * Returns the line of a key, from 1, or of the nearest object that contains it; undefined if the
   * file has neither.
   *
   * @param key path of a key, such as `schedule.milestones[1]`
   */
  lineOf(key: string): number | undefined
}

/** An error of the YAML parser with its line, from 1. */
export class YamlError extends Error {
  readonly line: number | undefined

  constructor(cause: Error, line: number | undefined) {
    // The parser appends the line, and on further lines an excerpt of the file.
    super(cause.message.split(/ at line \d+|\n/, 1)[0], { cause })
    this.line = line
  }
}

/**
 * Reads a configuration file, which may be a pipe.
 *
 * @throws the error of the file system, or an error if the file is larger than 128 KiB
 */
export function readConfigText(file: string): string {
  const bytes = Buffer.alloc(MAX_SIZE + 1)
  const descriptor = openSync(file, 'r')
  try {
    let size = 0
    for (;;) {
      const numRead = readSync(descriptor, bytes, size, bytes.length - size, null)
      size += numRead
      if (size > MAX_SIZE) throw new Error(`the file is larger than ${MAX_SIZE / 2 ** 10} KiB`)
      if (numRead === 0) return bytes.toString('utf8', 0, size)
    }
  } finally {
    closeSync(descriptor)
  }
}

/**
 * Parses YAML and keeps the lines of its keys.
 *
 * @throws {YamlError} for invalid YAML, and for aliases that would expand exponentially
 */
export function parseYaml(text: string): YamlText {
  // Imported on first use: most programs read no configuration file.
  const yaml = requireFromPackage()('yaml') as typeof import('yaml')
  const lines: LineCounter = new yaml.LineCounter()
  const document = yaml.parseDocument(text, { prettyErrors: true, lineCounter: lines })
  const [error] = document.errors
  if (error !== undefined) throw new YamlError(error, error.linePos?.[0].line)
  let value: unknown
  try {
    value = document.toJS()
  } catch (cause) {
    throw new YamlError(cause as Error, undefined)
  }
  return {
    value,
    lineOf(key) {
      const offset = findKey(document, key, yaml)
      return offset === undefined ? undefined : lines.linePos(offset).line
    },
  }
}

/** Returns the offset of the key at a path, or of its nearest ancestor that the document has. */
function findKey(
  document: Document,
  path: string,
  { isMap, isSeq }: typeof import('yaml'),
): number | undefined {
  let node: unknown = document.contents
  let rest = path
  let offset: number | undefined
  while (rest !== '') {
    if (isMap(node)) {
      // A key may contain dots: the line of the mistake `optimizer.lr: 0.1` is found, too.
      const pair: Pair | undefined = node.items.find(({ key }) => startsWithKey(rest, String(key)))
      if (pair === undefined) break
      offset = (pair.key as Node | null)?.range?.[0] ?? offset
      rest = rest.slice(String(pair.key).length)
      node = pair.value
    } else if (isSeq(node)) {
      const [brackets, index] = /^\[(\d+)\]/.exec(rest) ?? []
      const item: unknown = index === undefined ? undefined : node.items[Number(index)]
      if (brackets === undefined || item === undefined) break
      offset = (item as Node | null)?.range?.[0] ?? offset
      rest = rest.slice(brackets.length)
      node = item
    } else break
    rest = rest.replace(/^\./, '')
  }
  return offset
}

/** Whether a path starts with a whole key. */
function startsWithKey(path: string, key: string): boolean {
  return key !== '' && path.startsWith(key) && /^($|[.[])/.test(path.slice(key.length))
}
