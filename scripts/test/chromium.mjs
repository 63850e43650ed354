import { run } from '../setup/command.mjs'

/** What Chromium, or its like, is called. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/** Seconds that the package servers get: without them the tests of pages are skipped. */
const PATIENCE = 300

const INSTALL = ['install', '-y', '--no-install-recommends', 'chromium']

/**
 * A browser for the tests of pages: the one that is there or, where we are root of a Debian, its
 * package. Where there is none the tests of pages say so, and are skipped.
 *
 * @returns {Promise<string | undefined>} its path
 */
export async function provideChromium() {
  const present = process.env.RESIDUAL_TEST_CHROMIUM || (await findChromium())
  if (present !== undefined) return present
  if (process.getuid?.() !== 0 || (await run('apt-get', ['--version'])).status !== 0) {
    say('no Chromium is installed; `sudo apt-get install chromium` would run the tests of pages')
    return undefined
  }
  say("installing Debian's chromium for the tests of pages ...")
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  // A list of packages that is not there, or too old, is fetched once.
  for (const args of [INSTALL, ['update'], INSTALL]) {
    const { status } = await run('timeout', [String(PATIENCE), 'apt-get', ...args], { env })
    const installed = status === 0 && args === INSTALL ? await findChromium() : undefined
    if (installed !== undefined) return installed
  }
  say('chromium could not be installed; the tests of pages are skipped')
  return undefined
}

/** @returns {Promise<string | undefined>} */
async function findChromium() {
  for (const name of NAMES) {
    const { status, stdout } = await run('which', [name])
    if (status === 0) return stdout.trim()
  }
  return undefined
}

/** @param {string} line */
function say(line) {
  process.stdout.write(`${line}\n`)
}
