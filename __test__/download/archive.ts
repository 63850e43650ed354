import { gzipSync } from 'node:zlib'

/** An entry of a tar archive. All header fields can be set, as an attacker could do. */
export interface ArchiveEntry {
  path: string
  content?: Buffer | string
  /** `0` file, `1` hard link, `2` symbolic link, `3` device, `5` folder, ... */
  type?: string
  link?: string
  mode?: number
  /** Size in the header. Default: the size of the content. */
  size?: number
}

/** Creates a gzipped tar archive (POSIX ustar). */
export function tarGz(entries: readonly ArchiveEntry[], level = 6): Buffer {
  const blocks = entries.flatMap((entry) => {
    const content = Buffer.from(entry.content ?? '')
    const padding = Buffer.alloc((512 - (content.length % 512)) % 512)
    return [header(entry, content.length), content, padding]
  })
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]), { level })
}

/** Updates the checksum of every header, so that a parser accepts modified headers. */
export function updateChecksums(tar: Buffer): Buffer {
  for (let at = 0; at + 512 <= tar.length; at += 512) {
    const block = tar.subarray(at, at + 512)
    if (block.toString('latin1', 257, 262) === 'ustar') writeChecksum(block)
  }
  return tar
}

function header(
  { path, type = '0', link = '', mode = 0o644, size }: ArchiveEntry,
  length: number,
): Buffer {
  const block = Buffer.alloc(512)
  block.write(path, 0, 100)
  octal(block, mode, 100, 8)
  octal(block, 0, 108, 8)
  octal(block, 0, 116, 8)
  octal(block, size ?? length, 124, 12)
  octal(block, 0, 136, 12)
  block.write(type, 156, 1)
  block.write(link, 157, 100)
  block.write('ustar\x0000', 257, 8, 'latin1')
  writeChecksum(block)
  return block
}

function writeChecksum(block: Buffer): void {
  block.fill(' ', 148, 156)
  octal(
    block,
    block.reduce((sum, byte) => sum + byte, 0),
    148,
    8,
  )
}

function octal(block: Buffer, value: number, at: number, length: number): void {
  block.write(value.toString(8).padStart(length - 1, '0'), at, length - 1)
}
