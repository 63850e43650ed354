// Reads safetensors files independently of the product, and compares them to the bit.

import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'

/**
 * @typedef {object} CheckpointFile
 * @property {Record<string, string>} metadata
 * @property {Map<string, { dtype: string, shape: number[], bytes: Buffer }>} tensors
 */

/**
 * @param {string} file
 * @returns {CheckpointFile}
 */
export function readCheckpoint(file) {
  const { header, data } = split(readFileSync(file))
  const { __metadata__: metadata = {}, ...entries } = header
  const tensors = Object.entries(entries).map(
    ([
      name,
      {
        dtype,
        shape,
        data_offsets: [from, to],
      },
    ]) => /** @type {const} */ ([name, { dtype, shape, bytes: data.subarray(from, to) }]),
  )
  return { metadata, tensors: new Map(tensors) }
}

/**
 * Returns the differences between two checkpoints: names of tensors and metadata keys that are not
 * equal to the bit. Ignores checksums, which depend on everything else, and `ignored` metadata
 * keys.
 *
 * @param {CheckpointFile} a
 * @param {CheckpointFile} b
 * @param {readonly string[]} [ignored]
 * @returns {string[]}
 */
export function findDifferences(a, b, ignored = []) {
  const isCompared = (/** @type {string} */ key) =>
    !key.startsWith('residual.checksum.') && !ignored.includes(key)
  const keys = new Set([...Object.keys(a.metadata), ...Object.keys(b.metadata)].filter(isCompared))
  const names = new Set([...a.tensors.keys(), ...b.tensors.keys()])
  return [
    ...[...keys].filter((key) => a.metadata[key] !== b.metadata[key]),
    ...[...names].filter((name) => !isSameTensor(a.tensors.get(name), b.tensors.get(name))),
  ]
}

/** @typedef {{ dtype: string, shape: number[], bytes: Buffer } | undefined} MaybeTensor */

/**
 * @param {MaybeTensor} a
 * @param {MaybeTensor} b
 */
function isSameTensor(a, b) {
  if (a === undefined || b === undefined) return false
  return a.dtype === b.dtype && `${a.shape}` === `${b.shape}` && a.bytes.equals(b.bytes)
}

/**
 * Returns the SHA-256 of the names, types, shapes and bytes of all tensors of a checkpoint.
 *
 * @param {string} file
 */
export function hashTensors(file) {
  const hash = createHash('sha256')
  for (const [name, { dtype, shape, bytes }] of [...readCheckpoint(file).tensors].sort()) {
    hash.update(`${name} ${dtype} ${shape}\n`).update(bytes)
  }
  return hash.digest('hex')
}

/**
 * Copies a checkpoint without its checksums: their metadata says that the file was modified on
 * purpose.
 *
 * @param {string} from
 * @param {string} to
 * @param {(name: string, bytes: Buffer) => void} [edit] changes the bytes of a tensor
 */
export function writeWithoutChecksums(from, to, edit = () => {}) {
  const { header, data } = split(readFileSync(from))
  for (const [name, { data_offsets: offsets }] of Object.entries(header)) {
    if (offsets !== undefined) edit(name, data.subarray(...offsets))
  }
  const metadata = { ...header.__metadata__, 'residual.checksum.header': 'none' }
  const json = Buffer.from(JSON.stringify({ ...header, __metadata__: metadata }))
  const padded = Buffer.concat([json, Buffer.alloc(-json.length & 7, ' ')])
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(padded.length))
  writeFileSync(to, Buffer.concat([length, padded, data]))
}

/** @param {Buffer} bytes */
function split(bytes) {
  const start = 8 + Number(bytes.readBigUInt64LE(0))
  /** @type {Record<string, any>} */
  const header = JSON.parse(bytes.subarray(8, start).toString('utf8'))
  return { header, data: bytes.subarray(start) }
}
