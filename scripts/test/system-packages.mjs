import { run } from '../setup/command.mjs'

/** Seconds after which an unreachable package server ends the installation. */
const TIMEOUT = 300

/**
 * Provides programs that some tests need: finds them, or installs Debian's packages when running as
 * root. Prints what is skipped without them.
 *
 * @template T
 * @param {object} request
 * @param {readonly string[]} request.packages Debian's packages
 * @param {string} request.tests the tests that need them
 * @param {() => Promise<T | undefined>} request.find returns undefined if a program is missing
 * @returns {Promise<T | undefined>}
 */
export async function provide({ packages, tests, find }) {
  const present = await find()
  if (present !== undefined) return present
  const names = packages.join(' ')
  if (process.getuid?.() !== 0 || (await run('apt-get', ['--version'])).status !== 0) {
    print(`${names} not found: ${tests} are skipped (\`sudo apt-get install ${names}\`)`)
    return undefined
  }
  print(`Installing ${names} for ${tests} ...`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const install = ['install', '-y', '--no-install-recommends', ...packages]
  // The first attempt fails when the package lists are missing or outdated.
  for (const args of [install, ['update'], install]) {
    const { status } = await run('timeout', [String(TIMEOUT), 'apt-get', ...args], { env })
    const installed = status === 0 && args === install ? await find() : undefined
    if (installed !== undefined) return installed
  }
  print(`${names} could not be installed: ${tests} are skipped`)
  return undefined
}

/**
 * Returns the path of the first program of a list that is installed.
 *
 * @param {readonly string[]} names
 * @returns {Promise<string | undefined>}
 */
export async function findProgram(names) {
  for (const name of names) {
    const { status, stdout } = await run('which', [name])
    if (status === 0) return stdout.trim()
  }
  return undefined
}

/** @param {string} line */
function print(line) {
  process.stdout.write(`${line}\n`)
}
