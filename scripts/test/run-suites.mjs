import { run } from '../setup/command.mjs'
import { BuildError, SetupError } from '../setup/error.mjs'
import { ROOT } from '../setup.mjs'
import { addCounts, countTests } from './counts.mjs'

/** @typedef {import('./counts.mjs').Counts} Counts */

/**
 * Runs suites one after the other and prints how many tests passed, failed and were skipped. The exit
 * status is 1 if any test failed. A failed set-up or build counts as one failed test.
 *
 * @param {() => Promise<import('./suites.mjs').Suite[]>} prepare sets up, builds and lists the suites
 */
export async function runSuites(prepare) {
  /** @type {Counts} */
  let total = { passed: 0, failed: 0, skipped: 0 }
  try {
    for (const suite of await prepare()) total = addCounts(total, await runSuite(suite))
  } catch (error) {
    if (!(error instanceof SetupError || error instanceof BuildError)) throw error
    const hint = error instanceof SetupError ? `\n  ${error.hint}` : ''
    process.stderr.write(`${error.message}${hint}\n`)
    total = addCounts(total, { passed: 0, failed: 1, skipped: 0 })
  }
  process.stdout.write(`\n${formatCounts(total)}\n`)
  process.exitCode = total.failed === 0 ? 0 : 1
}

/**
 * @param {import('./suites.mjs').Suite} suite
 * @returns {Promise<Counts>}
 */
async function runSuite({ name, command, runner, env }) {
  process.stdout.write(`\n--- ${name}\n`)
  const [program, ...args] = command
  const result = await run(program, args, { cwd: ROOT, env, output: 'both' })
  const counts = countTests(result, runner)
  process.stdout.write(`--- ${name}: ${formatCounts(counts)}\n`)
  return counts
}

/** @param {Counts} counts */
function formatCounts({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}
