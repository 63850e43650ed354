// Writes archives of any content, as an attacker could.

import { crc32 } from 'node:zlib'

/**
 * An entry of a tar archive: `type` is `0` for a file, `1` for a hard link, `2` for a symbolic link,
 * `3` for a device, `5` for a folder, `6` for a pipe.
 *
 * @typedef {object} TarEntry
 * @property {string} name
 * @property {Buffer | string} [data]
 * @property {string} [type]
 * @property {string} [link]
 * @property {number} [size] size in the header, by default that of the data
 */

/**
 * Returns an uncompressed tar archive (POSIX ustar).
 *
 * @param {readonly TarEntry[]} entries
 */
export function tarArchive(entries) {
  const blocks = entries.flatMap(({ name, data = '', type = '0', link = '', size }) => {
    const content = Buffer.from(data)
    const header = Buffer.alloc(512)
    header.write(name, 0, 100)
    header.write('0000644\x00', 100)
    header.write(`${(size ?? content.length).toString(8).padStart(11, '0')}\x00`, 124)
    header.write('00000000000\x00', 136)
    header.write(type, 156)
    header.write(link, 157, 100)
    header.write('ustar\x0000', 257, 'latin1')
    header.fill(' ', 148, 156)
    const sum = header.reduce((total, byte) => total + byte, 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\x00 `, 148)
    return [header, content, Buffer.alloc(-content.length & 511)]
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

/**
 * Returns a zip archive of uncompressed entries.
 *
 * @param {Record<string, Buffer | string>} entries
 */
export function zipArchive(entries) {
  const [locals, centrals] = [/** @type {Buffer[]} */ ([]), /** @type {Buffer[]} */ ([])]
  let offset = 0
  for (const [name, data] of Object.entries(entries)) {
    const content = Buffer.from(data)
    const common = Buffer.alloc(26)
    common.writeUInt32LE(crc32(content), 10)
    common.writeUInt32LE(content.length, 14)
    common.writeUInt32LE(content.length, 18)
    common.writeUInt16LE(Buffer.byteLength(name), 22)
    const position = Buffer.alloc(14)
    position.writeUInt32LE(offset, 10)
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, Buffer.from(name), content])
    const start = Buffer.from('PK\x01\x02\x00\x00')
    locals.push(local)
    centrals.push(Buffer.concat([start, common, position, Buffer.from(name)]))
    offset += local.length
  }
  const directory = Buffer.concat(centrals)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06')
  end.writeUInt16LE(locals.length, 8)
  end.writeUInt16LE(locals.length, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...locals, directory, end])
}
