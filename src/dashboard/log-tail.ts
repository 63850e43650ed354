import type { FileHandle } from 'node:fs/promises'
import zlib from 'node:zlib'
import { openRunFile } from './run-file.js'

/** Maximum number of bytes that are read at a time, which limits the memory for a long log. */
const CHUNK_SIZE = 2 ** 20

/** Maximum length of a line in bytes; a longer line is skipped. */
const MAX_LINE_SIZE = 16 * 2 ** 20

/** Number of bytes before a position that are included in its checksum. */
const CHECKSUM_SIZE = 64

/** New lines of a log. */
export interface NewLines {
  lines: string[]
  /** Whether earlier lines are obsolete, and `lines` start at the beginning of the file. */
  reset: boolean
  /** Whether more lines can be read immediately. */
  hasMore: boolean
}

/**
 * Reads complete lines from a growing file. A resumed run truncates its log, and an overwritten run
 * starts a new log. A position therefore includes a checksum of the bytes before it; if the
 * checksum no longer matches, reading starts again at the beginning.
 */
export class LogTail {
  readonly #dir: string
  readonly #name: string
  #offset: number
  #checksum: number
  /** Size, modification time and inode of the file at the last read, to detect changes. */
  #stamp = ''

  /** @param position from `position` of an earlier instance; default: beginning of the file */
  constructor(dir: string, name: string, position = '') {
    this.#dir = dir
    this.#name = name
    const [, offset = '0', checksum = '0'] = /^(\d{1,15})-(\d{1,10})$/.exec(position) ?? []
    this.#offset = Number(offset)
    this.#checksum = Number(checksum)
  }

  /** Offset of the next unread byte, with the checksum of the bytes before it. */
  get position(): string {
    return `${this.#offset}-${this.#checksum}`
  }

  /** Reads new lines. An incomplete last line is returned once it is complete. */
  async read(): Promise<NewLines> {
    const file = await openRunFile(this.#dir, this.#name)
    if (file === undefined) return { lines: [], reset: this.#restart(), hasMore: false }
    try {
      const { size, mtimeMs, ino } = await file.stat()
      const stamp = `${size} ${mtimeMs} ${ino}`
      if (stamp === this.#stamp) return { lines: [], reset: false, hasMore: false }
      const reset = !(await this.#isPositionValid(file, size)) && this.#restart()
      const { lines, hasMore } = await this.#readLines(file, size)
      this.#stamp = hasMore ? '' : stamp
      return { lines, reset, hasMore }
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
    const hasMore = this.#offset + bytes.length < size
    if (end === 0) return { lines: [], hasMore: false } // the line is incomplete
    this.#offset += end
    this.#checksum = await checksumBefore(file, this.#offset)
    return { lines: bytes.toString('utf8', 0, end).split('\n'), hasMore }
  }
}

async function checksumBefore(file: FileHandle, offset: number): Promise<number> {
  const length = Math.min(CHECKSUM_SIZE, offset)
  return length === 0 ? 0 : zlib.crc32(await readAt(file, offset - length, length))
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length)
  const { bytesRead } = await file.read(bytes, 0, length, position)
  return bytes.subarray(0, bytesRead)
}
