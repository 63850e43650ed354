// npm run audit -- [--install] [--advisory-db FOLDER]: advisories and licenses of all dependencies.

import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { auditCrates, findCargoDeny, installCargoDeny } from './audit/crates.mjs'
import { auditPackages, checkPackageLicenses } from './audit/packages.mjs'
import { BuildError } from './setup/error.mjs'
import { runScript } from './setup.mjs'

/**
 * Result of one check of dependencies. A check that needs a network which is not available has the
 * outcome `skipped`.
 *
 * @typedef {object} CheckResult
 * @property {string} name
 * @property {'passed' | 'failed' | 'skipped'} outcome
 * @property {string} details the output of a failed check, the reason of a skipped one
 */

/**
 * Formats a result. Only the first line of the details is on the line of the name.
 *
 * @param {CheckResult} result
 */
function formatResult({ name, outcome, details }) {
  const [first, ...rest] = details.trim().split('\n')
  const lines = [`${outcome.padEnd(7)}  ${name}: ${first}`, ...rest.map((line) => `  ${line}`)]
  return `${lines.join('\n')}\n`
}

await runScript(import.meta.url, async () => {
  const { values } = parseArgs({
    options: { install: { type: 'boolean' }, 'advisory-db': { type: 'string' } },
  })
  const advisoryDb = values['advisory-db']
  /** @type {CheckResult[]} */
  const results = []
  const add = (/** @type {CheckResult} */ result) => {
    results.push(result)
    process.stdout.write(formatResult(result))
  }
  add(await checkPackageLicenses())
  add(await auditPackages())
  if (values.install) await installCargoDeny()
  const cargoDeny = await findCargoDeny()
  const database = advisoryDb === undefined ? undefined : resolve(advisoryDb)
  for (const result of await auditCrates(cargoDeny, database)) add(result)
  const numFailed = results.filter(({ outcome }) => outcome === 'failed').length
  if (numFailed > 0) throw new BuildError(`${numFailed} of ${results.length} checks failed`)
})
