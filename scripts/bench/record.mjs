// What a run of the bench leaves: everything that docs/performance.md is made of.

import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { BuildError } from '../setup/error.mjs'

/**
 * @typedef {object} Measured
 * @property {string} name
 * @property {string} title
 * @property {string} [about]
 * @property {string} date ISO 8601
 * @property {string} commit
 * @property {number} rounds
 * @property {number} foreign the share of the machine that other programs used before
 * @property {number} seconds that it took
 * @property {import('./cases/case.mjs').Result} [result]
 * @property {string} [error] why there is none
 */

/**
 * @typedef {object} Record
 * @property {1} format
 * @property {string} command
 * @property {import('./machine.mjs').Machine} machine
 * @property {Measured[]} cases
 */

/**
 * @param {string} file
 * @returns {Promise<Record>}
 */
export async function readRecord(file) {
  const text = await readFile(file, 'utf8').catch((error) => {
    throw new BuildError(`${file} could not be read: ${error.message}`)
  })
  const record = JSON.parse(text)
  if (record.format !== 1) throw new BuildError(`${file} was not written by this bench`)
  return record
}

/**
 * @param {string} file
 * @param {Record} record
 */
export function writeRecord(file, record) {
  return writeJson(file, record)
}

/**
 * Writes a file in one move, its folder first if that is missing.
 *
 * @param {string} file
 * @param {unknown} record
 */
export async function writeJson(file, record) {
  await mkdir(dirname(file), { recursive: true })
  const staged = `${file}.${process.pid}.tmp`
  await writeFile(staged, `${JSON.stringify(rounded(record), null, 1)}\n`)
  await rename(staged, file)
}

/**
 * The record that cases are added to: what the file holds, if it was measured on the same machine
 * with the same versions, else an empty one.
 *
 * @param {string} file
 * @param {Omit<Record, 'format' | 'cases'>} now
 * @returns {Promise<Record>}
 */
export async function continueRecord(file, now) {
  const before = await readRecord(file).catch(() => undefined)
  const same = before !== undefined && sameMachine(before.machine, now.machine)
  return { format: 1, ...now, cases: same ? before.cases : [] }
}

/**
 * @param {import('./machine.mjs').Machine} a
 * @param {import('./machine.mjs').Machine} b
 */
function sameMachine({ commit: _, ...a }, { commit: __, ...b }) {
  return JSON.stringify(a) === JSON.stringify(b)
}

/**
 * Puts a case in the place of an earlier measurement of it.
 *
 * @param {Record} record
 * @param {Measured} measured
 * @param {readonly string[]} order of the cases' names
 */
export function addCase(record, measured, order) {
  record.cases = [...record.cases.filter(({ name }) => name !== measured.name), measured].toSorted(
    (a, b) => order.indexOf(a.name) - order.indexOf(b.name),
  )
}

/**
 * Numbers to six digits: more were not measured.
 *
 * @template T
 * @param {T} value
 * @returns {T}
 */
function rounded(value) {
  return JSON.parse(JSON.stringify(value), (_, part) =>
    typeof part === 'number' && !Number.isInteger(part) ? Number(part.toPrecision(6)) : part,
  )
}
