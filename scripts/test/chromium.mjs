import { run } from '../setup/command.mjs'

/** Names of Chromium and of browsers derived from it. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/** Seconds after which an unreachable package server ends the installation. */
const INSTALL_TIMEOUT = 300

const INSTALL = ['install', '-y', '--no-install-recommends', 'chromium']

/**
 * Finds a browser for the tests of pages, or installs Debian's package when running as root. Without
 * a browser those tests are skipped.
 *
 * @returns {Promise<string | undefined>} its path
 */
export async function provideChromium() {
  const present = process.env.RESIDUAL_TEST_CHROMIUM || (await findChromium())
  if (present !== undefined) return present
  if (process.getuid?.() !== 0 || (await run('apt-get', ['--version'])).status !== 0) {
    print('Chromium not found: tests of pages are skipped (`sudo apt-get install chromium`)')
    return undefined
  }
  print('Installing chromium for the tests of pages ...')
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  // The first attempt fails when the package lists are missing or outdated.
  for (const args of [INSTALL, ['update'], INSTALL]) {
    const { status } = await run('timeout', [String(INSTALL_TIMEOUT), 'apt-get', ...args], { env })
    const installed = status === 0 && args === INSTALL ? await findChromium() : undefined
    if (installed !== undefined) return installed
  }
  print('chromium could not be installed: tests of pages are skipped')
  return undefined
}

/** @returns {Promise<string | undefined>} path of an installed browser */
export async function findChromium() {
  for (const name of NAMES) {
    const { status, stdout } = await run('which', [name])
    if (status === 0) return stdout.trim()
  }
  return undefined
}

/** @param {string} line */
function print(line) {
  process.stdout.write(`${line}\n`)
}
