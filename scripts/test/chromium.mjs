import { findProgram, provide } from './system-packages.mjs'

/** Names of Chromium and of browsers derived from it. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/**
 * Finds a browser for the tests of pages, or installs it. Without a browser those tests are
 * skipped.
 *
 * @returns {Promise<string | undefined>} its path
 */
export async function provideChromium() {
  if (process.env.RESIDUAL_TEST_CHROMIUM) return process.env.RESIDUAL_TEST_CHROMIUM
  return provide({ packages: ['chromium'], tests: 'tests of pages', find: findChromium })
}

/** @returns {Promise<string | undefined>} path of an installed browser */
export function findChromium() {
  return findProgram(NAMES)
}
