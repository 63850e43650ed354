// The record of a benchmark run, from which docs/performance.md is generated.

import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { BuildError } from '../setup/error.mjs'

/**
 * @typedef {object} CaseRecord
 * @property {string} name
 * @property {string} title
 * @property {string} [about]
 * @property {string} date ISO 8601
 * @property {string} commit
 * @property {number} rounds
 * @property {number} otherLoad fraction of the CPU time that other processes used before the
 *   measurement
 * @property {number} seconds duration of the measurement
 * @property {import('./cases/case.mjs').Result} [result]
 * @property {string} [error] why there is no result
 */

/**
 * @typedef {object} BenchRecord
 * @property {1} format
 * @property {string} command
 * @property {import('./machine.mjs').Machine} machine
 * @property {CaseRecord[]} cases
 */

/**
 * @param {string} file
 * @returns {Promise<BenchRecord>}
 */
export async function readRecord(file) {
  const text = await readFile(file, 'utf8').catch((error) => {
    throw new BuildError(`${file} could not be read: ${error.message}`)
  })
  const record = JSON.parse(text)
  if (record.format !== 1) throw new BuildError(`${file} is not a record of npm run bench`)
  return record
}

/**
 * @param {string} file
 * @param {BenchRecord} record
 */
export function writeRecord(file, record) {
  return writeJson(file, record)
}

/**
 * Writes a JSON file atomically, creating its folder if necessary.
 *
 * @param {string} file
 * @param {unknown} record
 */
export async function writeJson(file, record) {
  await mkdir(dirname(file), { recursive: true })
  const temporaryFile = `${file}.${process.pid}.tmp`
  await writeFile(temporaryFile, `${JSON.stringify(roundNumbers(record), null, 1)}\n`)
  await rename(temporaryFile, file)
}

/**
 * Returns the record of a file if it was measured on the same machine with the same versions,
 * otherwise an empty record.
 *
 * @param {string} file
 * @param {Omit<BenchRecord, 'format' | 'cases'>} current
 * @returns {Promise<BenchRecord>}
 */
export async function continueRecord(file, current) {
  const previous = await readRecord(file).catch(() => undefined)
  const canContinue = previous !== undefined && isSameMachine(previous.machine, current.machine)
  return { format: 1, ...current, cases: canContinue ? previous.cases : [] }
}

/**
 * Returns whether hardware and versions are equal; the commit may differ.
 *
 * @param {import('./machine.mjs').Machine} a
 * @param {import('./machine.mjs').Machine} b
 */
function isSameMachine({ commit: _, ...a }, { commit: __, ...b }) {
  return JSON.stringify(a) === JSON.stringify(b)
}

/**
 * Adds a case, replacing an earlier measurement of the same case.
 *
 * @param {BenchRecord} record
 * @param {CaseRecord} caseRecord
 * @param {readonly string[]} order names of all cases in their order
 */
export function addCase(record, caseRecord, order) {
  record.cases = [
    ...record.cases.filter(({ name }) => name !== caseRecord.name),
    caseRecord,
  ].toSorted((a, b) => order.indexOf(a.name) - order.indexOf(b.name))
}

/**
 * Rounds all numbers to six significant digits.
 *
 * @template T
 * @param {T} value
 * @returns {T}
 */
function roundNumbers(value) {
  return JSON.parse(JSON.stringify(value), (_, part) =>
    typeof part === 'number' && !Number.isInteger(part) ? Number(part.toPrecision(6)) : part,
  )
}
