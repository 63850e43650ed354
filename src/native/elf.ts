import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { ResidualError } from '../errors/errors.js'
import { supportedPlatform } from './platform.js'

// Layout of ELF64, as in /usr/include/elf.h.
const HEADER_SIZE = 64
const PROGRAM_HEADER_SIZE = 56
const PT_LOAD = 1

/**
 * Checks that a shared library is as long as its program headers require. Mapping a file that was
 * truncated, by a full disk or an interrupted copy, kills the process with SIGBUS. Does nothing on
 * platforms whose libraries are not ELF files.
 *
 * @throws {ResidualError} `E_LIBTORCH` with the file
 */
export function checkLibrary(path: string): void {
  if (supportedPlatform().libraryFormat !== 'elf') return
  const file = openSync(path, 'r')
  try {
    const required = requiredSize((offset, length) => {
      const bytes = Buffer.alloc(length)
      return readSync(file, bytes, 0, length, offset) === length ? bytes : undefined
    })
    const size = fstatSync(file).size
    if (required !== undefined && size >= required) return
    throw new ResidualError({
      code: 'E_LIBTORCH',
      message:
        required === undefined
          ? `${path} is not a 64-bit ELF library`
          : `${path} is truncated: ${size} of ${required} bytes`,
      at: { file: path },
      hint: 'Delete its package from node_modules and install it again.',
    })
  } finally {
    closeSync(file)
  }
}

/**
 * Returns the offset at which the last loadable segment ends.
 *
 * @param read returns `length` bytes at an offset, or undefined if the file ends before them
 * @returns undefined if the file has no complete header of a 64-bit little-endian ELF file
 */
function requiredSize(
  read: (offset: number, length: number) => Buffer | undefined,
): number | undefined {
  const header = read(0, HEADER_SIZE)
  if (header?.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') return undefined
  const table = Number(header.readBigUInt64LE(32))
  let end = 0
  for (let index = 0; index < header.readUInt16LE(56); index++) {
    const entry = read(table + index * PROGRAM_HEADER_SIZE, PROGRAM_HEADER_SIZE)
    if (entry === undefined) return undefined
    if (entry.readUInt32LE(0) !== PT_LOAD) continue
    end = Math.max(end, Number(entry.readBigUInt64LE(8) + entry.readBigUInt64LE(32)))
  }
  return end
}
