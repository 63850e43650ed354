import type { FileHandle } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { openRunFile } from './run-file.js'

/** Bytes read at a time, which limits the memory that a long history needs. */
const CHUNK_SIZE = 2 ** 20

/** Limit of a line in bytes; a longer one is skipped. */
const MAX_LINE_SIZE = 16 * 2 ** 20

/** Bytes before a position that identify it. */
const FINGERPRINT_SIZE = 64

/** New lines of a log. */
export interface NewLines {
  lines: string[]
  /** Whether earlier lines are obsolete, and `lines` start at the beginning of the file. */
  reset: boolean
  /** Whether there is more to read immediately. */
  more: boolean
}

/**
 * Follows a growing file by whole lines. A resumed run truncates its log, and an overwritten run
 * starts a new one. The bytes before the current position therefore have a checksum; if it no
 * longer matches, reading starts again at the beginning.
 */
export class LogTail {
  readonly #dir: string
  readonly #name: string
  #offset: number
  #checksum: number
  /** Size, time and inode at the last read, to detect that nothing changed. */
  #stamp = ''

  /** @param position where to continue, from `position` of an earlier instance */
  constructor(dir: string, name: string, position = '') {
    this.#dir = dir
    this.#name = name
    const [, offset = '0', checksum = '0'] = /^(\d{1,15})-(\d{1,10})$/.exec(position) ?? []
    this.#offset = Number(offset)
    this.#checksum = Number(checksum)
  }

  /** The position with its checksum. */
  get position(): string {
    return `${this.#offset}-${this.#checksum}`
  }

  /** Reads new lines; an incomplete last line is left for later. */
  async read(): Promise<NewLines> {
    const file = await openRunFile(this.#dir, this.#name)
    if (file === undefined) return { lines: [], reset: this.#restart(), more: false }
    try {
      const { size, mtimeMs, ino } = await file.stat()
      const stamp = `${size} ${mtimeMs} ${ino}`
      if (stamp === this.#stamp) return { lines: [], reset: false, more: false }
      const reset = !(await this.#isPositionValid(file, size)) && this.#restart()
      const { lines, more } = await this.#readLines(file, size)
      this.#stamp = more ? '' : stamp
      return { lines, reset, more }
    } finally {
      await file.close()
    }
  }

  /** Moves to the beginning. Returns whether lines had been read. */
  #restart(): boolean {
    const hadLines = this.#offset > 0
    this.#offset = 0
    this.#checksum = 0
    this.#stamp = ''
    return hadLines
  }

  async #isPositionValid(file: FileHandle, size: number): Promise<boolean> {
    if (this.#offset > size) return false
    return (await checksumBefore(file, this.#offset)) === this.#checksum
  }

  async #readLines(file: FileHandle, size: number): Promise<Omit<NewLines, 'reset'>> {
    let bytes = await readAt(file, this.#offset, Math.min(CHUNK_SIZE, size - this.#offset))
    let end = bytes.lastIndexOf('\n') + 1
    if (end === 0 && bytes.length === CHUNK_SIZE) {
      bytes = await readAt(file, this.#offset, Math.min(MAX_LINE_SIZE, size - this.#offset))
      end = bytes.lastIndexOf('\n') + 1
      if (end === 0 && bytes.length === MAX_LINE_SIZE) end = MAX_LINE_SIZE
    }
    const more = this.#offset + bytes.length < size
    if (end === 0) return { lines: [], more: false } // the line is incomplete
    this.#offset += end
    this.#checksum = await checksumBefore(file, this.#offset)
    return { lines: bytes.toString('utf8', 0, end).split('\n'), more }
  }
}

async function checksumBefore(file: FileHandle, offset: number): Promise<number> {
  const length = Math.min(FINGERPRINT_SIZE, offset)
  return length === 0 ? 0 : crc32(await readAt(file, offset - length, length))
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length)
  const { bytesRead } = await file.read(bytes, 0, length, position)
  return bytes.subarray(0, bytesRead)
}
