import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

/** File format of the libraries of an operating system. */
export type LibraryFormat = 'elf' | 'mach-o' | 'pe'

/** Header of a shared library. */
export interface LibraryFile {
  format: LibraryFormat
  /** Architectures, as `process.arch` names them; a universal Mach-O file has several. */
  architectures: string[]
  /** Size of the file in bytes. */
  size: number
  /** Size in bytes that the header requires; undefined if the file ends within its header. */
  requiredSize: number | undefined
}

/** Returns `length` bytes at an offset; throws a `HeaderError` if the file ends before them. */
type Read = (offset: number, length: number) => Buffer

/** The file ends within its header. */
class HeaderError extends Error {}

type Header = Pick<LibraryFile, 'architectures'> & { end: () => number }

/** Numbers of the processor architectures in the headers of each format. */
const ELF_MACHINES: Record<number, string> = {
  ...{ 3: 'ia32', 40: 'arm', 62: 'x64', 183: 'arm64', 21: 'ppc64', 243: 'riscv64' },
}
const MACH_CPUS: Record<number, string> = { 16777223: 'x64', 16777228: 'arm64', 7: 'ia32' }
const PE_MACHINES: Record<number, string> = { 34404: 'x64', 43620: 'arm64', 332: 'ia32' }

/**
 * Reads the header of a shared library of any operating system.
 *
 * @returns undefined if the file is not a shared library
 * @throws the error of the file system if the file cannot be read
 */
export function readLibraryFile(path: string): LibraryFile | undefined {
  const file = openSync(path, 'r')
  try {
    const { size } = fstatSync(file)
    const read: Read = (offset, length) => {
      // A damaged header may name any offset, also one that `readSync` rejects.
      if (offset + length > size) throw new HeaderError()
      const bytes = Buffer.alloc(length)
      if (readSync(file, bytes, 0, length, offset) < length) throw new HeaderError()
      return bytes
    }
    const format = formatOf(read)
    if (format === undefined) return undefined
    try {
      const { architectures, end } = READERS[format](read)
      return { format, architectures, size, requiredSize: sizeOrUndefined(end) }
    } catch (error) {
      if (!(error instanceof HeaderError)) throw error
      return { format, architectures: [], size, requiredSize: undefined }
    }
  } finally {
    closeSync(file)
  }
}

function sizeOrUndefined(end: () => number): number | undefined {
  try {
    return end()
  } catch (error) {
    if (!(error instanceof HeaderError)) throw error
    return undefined
  }
}

function formatOf(read: Read): LibraryFormat | undefined {
  let magic: Buffer
  try {
    magic = read(0, 4)
  } catch (error) {
    if (!(error instanceof HeaderError)) throw error
    return undefined
  }
  if (magic.toString('latin1') === '\x7fELF') return 'elf'
  if (magic.toString('latin1', 0, 2) === 'MZ') return 'pe'
  const isMachO = [MACH_64, MACH_32].includes(magic.readUInt32LE())
  return isMachO || magic.readUInt32BE() === MACH_UNIVERSAL ? 'mach-o' : undefined
}

const READERS: Record<LibraryFormat, (read: Read) => Header> = {
  elf: readElf,
  'mach-o': readMachO,
  pe: readPe,
}

// Layout of ELF64, as in /usr/include/elf.h.
const ELF_HEADER_SIZE = 64
const ELF_PROGRAM_HEADER_SIZE = 56
const PT_LOAD = 1

/** Reads an ELF header; the file must contain all loadable segments. */
function readElf(read: Read): Header {
  const header = read(0, ELF_HEADER_SIZE)
  const architectures = [ELF_MACHINES[header.readUInt16LE(18)] ?? 'another architecture']
  const is64Bit = header[4] === 2
  const end = () => {
    if (!is64Bit) return 0
    const table = Number(header.readBigUInt64LE(32))
    let end = 0
    for (let index = 0; index < header.readUInt16LE(56); index++) {
      const entry = read(table + index * ELF_PROGRAM_HEADER_SIZE, ELF_PROGRAM_HEADER_SIZE)
      if (entry.readUInt32LE(0) !== PT_LOAD) continue
      end = Math.max(end, Number(entry.readBigUInt64LE(8) + entry.readBigUInt64LE(32)))
    }
    return end
  }
  return { architectures, end }
}

// Layout of Mach-O, as in <mach-o/loader.h> and <mach-o/fat.h>.
const MACH_64 = 0xfeedfacf
const MACH_32 = 0xfeedface
const MACH_UNIVERSAL = 0xcafebabe
const MACH_HEADER_SIZE = 32
const LC_SEGMENT_64 = 0x19
/** Offset of `fileoff` in a segment command; `filesize` follows. */
const SEGMENT_FILE_OFFSET = 40
const UNIVERSAL_ENTRY_SIZE = 20

/** Reads a Mach-O header; the file must contain all segments. */
function readMachO(read: Read): Header {
  const start = read(0, 8)
  if (start.readUInt32BE() === MACH_UNIVERSAL) return readUniversal(read, start.readUInt32BE(4))
  const architectures = [MACH_CPUS[start.readUInt32LE(4)] ?? 'another architecture']
  const end = () => {
    if (start.readUInt32LE() !== MACH_64) return 0
    let [end, offset] = [0, MACH_HEADER_SIZE]
    for (let count = read(16, 4).readUInt32LE(); count > 0; count--) {
      const command = read(offset, 8)
      if (command.readUInt32LE() === LC_SEGMENT_64) {
        const extent = read(offset + SEGMENT_FILE_OFFSET, 16)
        end = Math.max(end, Number(extent.readBigUInt64LE(0) + extent.readBigUInt64LE(8)))
      }
      offset += command.readUInt32LE(4)
    }
    return end
  }
  return { architectures, end }
}

/** Reads the table of a universal Mach-O file, which contains one library per architecture. */
function readUniversal(read: Read, count: number): Header {
  const architectures: string[] = []
  let end = 0
  for (let index = 0; index < count; index++) {
    const entry = read(8 + index * UNIVERSAL_ENTRY_SIZE, UNIVERSAL_ENTRY_SIZE)
    architectures.push(MACH_CPUS[entry.readUInt32BE(0)] ?? 'another architecture')
    end = Math.max(end, entry.readUInt32BE(8) + entry.readUInt32BE(12))
  }
  return { architectures, end: () => end }
}

// Layout of PE, as in Microsoft's specification of the format.
const PE_HEADER_POINTER = 0x3c
const PE_HEADER_SIZE = 24
const PE_SECTION_SIZE = 40

/** Reads a PE header; the file must contain the data of all sections. */
function readPe(read: Read): Header {
  const start = read(PE_HEADER_POINTER, 4).readUInt32LE()
  const header = read(start, PE_HEADER_SIZE)
  const architectures = [PE_MACHINES[header.readUInt16LE(4)] ?? 'another architecture']
  const sections = start + PE_HEADER_SIZE + header.readUInt16LE(20)
  const end = () => {
    let end = 0
    for (let index = 0; index < header.readUInt16LE(6); index++) {
      const section = read(sections + index * PE_SECTION_SIZE, PE_SECTION_SIZE)
      end = Math.max(end, section.readUInt32LE(20) + section.readUInt32LE(16))
    }
    return end
  }
  return { architectures, end }
}
