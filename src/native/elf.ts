import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { ResidualError } from '../errors/errors.js'

const HEADER = 64
const PROGRAM_HEADER = 56
const PT_LOAD = 1

/**
 * Makes sure that a shared library is as long as its own program headers say. Mapping one that was
 * cut short, by a full disk or an interrupted copy, would kill the process with SIGBUS.
 *
 * @throws {ResidualError} `E_LIBTORCH` with the file
 */
export function checkLibrary(path: string): void {
  const file = openSync(path, 'r')
  try {
    const needed = loadedBytes((at, length) => {
      const bytes = Buffer.alloc(length)
      return readSync(file, bytes, 0, length, at) === length ? bytes : undefined
    })
    const size = fstatSync(file).size
    if (needed !== undefined && size >= needed) return
    throw new ResidualError({
      code: 'E_LIBTORCH',
      message: `${path} is ${
        needed === undefined ? 'no 64-bit ELF library' : `cut short: ${size} of ${needed} bytes`
      }`,
      at: { file: path },
      hint: 'Delete its package from node_modules and install again.',
    })
  } finally {
    closeSync(file)
  }
}

/**
 * Where the last loadable segment ends in the file.
 *
 * @param read gives so many bytes from a position, or undefined if the file ends before
 * @returns undefined if this is not a whole ELF header of a 64-bit little-endian machine
 */
function loadedBytes(read: (at: number, length: number) => Buffer | undefined): number | undefined {
  const header = read(0, HEADER)
  if (header?.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') return undefined
  const table = Number(header.readBigUInt64LE(32))
  let end = 0
  for (let index = 0; index < header.readUInt16LE(56); index++) {
    const entry = read(table + index * PROGRAM_HEADER, PROGRAM_HEADER)
    if (entry === undefined) return undefined
    if (entry.readUInt32LE(0) !== PT_LOAD) continue
    end = Math.max(end, Number(entry.readBigUInt64LE(8) + entry.readBigUInt64LE(32)))
  }
  return end
}
