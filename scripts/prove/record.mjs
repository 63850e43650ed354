// The record of the proofs, from which docs/guarantees.md is generated.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeJson } from '../bench/record.mjs'
import { BuildError } from '../setup/error.mjs'
import { ROOT } from '../setup.mjs'

/** @typedef {import('../bench/machine.mjs').Machine} Machine */

/**
 * @typedef {object} ProofRecord
 * @property {string} name
 * @property {string} title
 * @property {string} attack
 * @property {string} limits
 * @property {string} test
 * @property {string} command
 * @property {string} date ISO 8601
 * @property {string} commit
 * @property {number} seconds
 * @property {number} [addedMinutes] minutes of `seconds` that `--minutes` added
 * @property {Omit<import('./case.mjs').Result, 'golden'>} [result]
 * @property {string} [error] why there is no result
 */

/**
 * @typedef {object} GuaranteesRecord
 * @property {1} format
 * @property {string} command
 * @property {Machine} machine
 * @property {ProofRecord[]} cases
 * @property {Record<string, Record<string, string>>} golden values that must not change, by the
 *   name of the case and the class of machine; kept when cases are proven on another machine
 */

/** The published record. */
export const GUARANTEES_FILE = join(ROOT, 'docs', 'guarantees.json')

/**
 * @param {string} file
 * @returns {Promise<GuaranteesRecord>}
 */
export async function readRecord(file) {
  const text = await readFile(file, 'utf8').catch((error) => {
    throw new BuildError(`${file} could not be read: ${error.message}`)
  })
  const record = JSON.parse(text)
  if (record.format !== 1 || !Array.isArray(record.cases)) {
    throw new BuildError(`${file} is not a record of npm run prove`)
  }
  return record
}

/**
 * @param {string} file
 * @param {GuaranteesRecord} record
 */
export function writeRecord(file, record) {
  return writeJson(file, record)
}

/**
 * Returns the record of a file without the cases of another machine, or an empty record.
 *
 * @param {string} file
 * @param {{ command: string, machine: Machine }} current
 * @returns {Promise<GuaranteesRecord>}
 */
export async function continueRecord(file, { command, machine }) {
  const previous = await readRecord(file).catch(() => undefined)
  const isSame =
    previous !== undefined && describeHardware(previous.machine) === describeHardware(machine)
  const cases = isSame ? previous.cases : []
  return { format: 1, command, machine, cases, golden: previous?.golden ?? {} }
}

/**
 * Describes a machine without its commit.
 *
 * @param {Machine} machine
 */
function describeHardware({ commit: _, ...machine }) {
  return JSON.stringify(machine)
}

/**
 * Adds a case, replacing an earlier proof of the same case.
 *
 * @param {GuaranteesRecord} record
 * @param {ProofRecord} proof
 * @param {readonly string[]} order names of all cases in their order
 */
export function addProof(record, proof, order) {
  record.cases = [...record.cases.filter(({ name }) => name !== proof.name), proof].toSorted(
    (a, b) => order.indexOf(a.name) - order.indexOf(b.name),
  )
}
