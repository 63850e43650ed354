import type { FileHandle } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { openRunFile } from './run-file.js'

/** Bytes read at a time, so that neither side has a long history in memory at once. */
const CHUNK = 2 ** 20

/** A line that is longer is none of ours, and is passed over. */
const LONGEST = 16 * 2 ** 20

/** Bytes before a position that it is known by. */
const KNOWN_BY = 64

/** Lines that are new since the last look. */
export interface Fresh {
  lines: string[]
  /** Whether what was read before no longer holds, and these are the lines from the beginning on. */
  reset: boolean
  /** Whether there is more to read at once. */
  more: boolean
}

/**
 * Follows a file that grows by whole lines. A run that is gone on with cuts its log back, and one
 * that replaces another begins anew; so a position is known by what stands before it as well, and
 * where that has changed the file is read from its beginning.
 */
export class Tail {
  readonly #dir: string
  readonly #name: string
  #offset: number
  #sum: number
  /** Of the file at the last look, to spare reading what has not changed. */
  #seen = ''

  /** @param mark where to go on, as `mark` gave it */
  constructor(dir: string, name: string, mark = '') {
    this.#dir = dir
    this.#name = name
    const [, offset = '0', sum = '0'] = /^(\d{1,15})-(\d{1,10})$/.exec(mark) ?? []
    this.#offset = Number(offset)
    this.#sum = Number(sum)
  }

  /** The position, and what it is known by. */
  get mark(): string {
    return `${this.#offset}-${this.#sum}`
  }

  /** Reads whole lines that are new; a line that is still being written waits. */
  async read(): Promise<Fresh> {
    const file = await openRunFile(this.#dir, this.#name)
    if (file === undefined) return { lines: [], reset: this.#restart(), more: false }
    try {
      const { size, mtimeMs, ino } = await file.stat()
      const seen = `${size} ${mtimeMs} ${ino}`
      if (seen === this.#seen) return { lines: [], reset: false, more: false }
      const reset = !(await this.#isStillThere(file, size)) && this.#restart()
      const { lines, more } = await this.#readLines(file, size)
      this.#seen = more ? '' : seen
      return { lines, reset, more }
    } finally {
      await file.close()
    }
  }

  #restart(): boolean {
    const had = this.#offset > 0
    this.#offset = 0
    this.#sum = 0
    this.#seen = ''
    return had
  }

  async #isStillThere(file: FileHandle, size: number): Promise<boolean> {
    if (this.#offset > size) return false
    return (await sumBefore(file, this.#offset)) === this.#sum
  }

  async #readLines(file: FileHandle, size: number): Promise<Omit<Fresh, 'reset'>> {
    let bytes = await readAt(file, this.#offset, Math.min(CHUNK, size - this.#offset))
    let end = bytes.lastIndexOf('\n') + 1
    if (end === 0 && bytes.length === CHUNK) {
      bytes = await readAt(file, this.#offset, Math.min(LONGEST, size - this.#offset))
      end = bytes.lastIndexOf('\n') + 1
      if (end === 0 && bytes.length === LONGEST) end = LONGEST
    }
    const more = this.#offset + bytes.length < size
    if (end === 0) return { lines: [], more: false } // the line has no end yet
    this.#offset += end
    this.#sum = await sumBefore(file, this.#offset)
    return { lines: bytes.toString('utf8', 0, end).split('\n'), more }
  }
}

async function sumBefore(file: FileHandle, offset: number): Promise<number> {
  const length = Math.min(KNOWN_BY, offset)
  return length === 0 ? 0 : crc32(await readAt(file, offset - length, length))
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length)
  const { bytesRead } = await file.read(bytes, 0, length, position)
  return bytes.subarray(0, bytesRead)
}
