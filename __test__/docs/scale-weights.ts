/**
 * Scales the weights of a fixture so that the network can be trained. The fixture's values are
 * consecutive numbers for bitwise comparisons, with which each layer multiplies its input by about
 * 100.
 *
 * @param file a .pth file in the zip format with 16-bit floats, changed in place
 */
export function scaleWeights(file: Buffer): Buffer {
  const entry = 'PK\x01\x02'
  for (let at = file.indexOf(entry); at !== -1; at = file.indexOf(entry, at + 1)) {
    const name = file.toString('latin1', at + 46, at + 46 + file.readUInt16LE(at + 28))
    const bytes = file.readUInt32LE(at + 24)
    // The vectors of normalization layers need no scaling.
    if (!/\/data\/\d+$/.test(name) || bytes <= 128) continue
    const header = file.readUInt32LE(at + 42)
    const start = header + 30 + file.readUInt16LE(header + 26) + file.readUInt16LE(header + 28)
    for (let offset = 0; offset < bytes; offset += 2) {
      const scaled = file.readUInt16LE(start + offset) - (4 << 10) // exponent: divides by 16
      const sign = offset % 4 === 0 ? 0 : 1 << 15
      file.writeUInt16LE(scaled | sign, start + offset)
    }
  }
  return file
}
