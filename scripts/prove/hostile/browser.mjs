// Attacks on the dashboard in a real browser: pages of other origins, and names with markup.

import { existsSync, readFileSync } from 'node:fs'
import { chromium } from 'playwright-core'
import { findChromium } from '../../test/chromium.mjs'
import { serve } from './http-server.mjs'

/** @typedef {import('./requests.mjs').Attempt} Attempt */

const HOSTILE_PAGE = readFileSync(new URL('hostile-page.txt', import.meta.url), 'utf8')

/** Names of runs, classes and data sets. Each would set `pwned` as a script. */
export const MARKUP = [
  '<img src=x onerror=pwned=1>',
  '<script>pwned=2<\x2fscript>',
  '"><svg onload=pwned=3>',
  "' onmouseover='pwned=4",
  'javascript:pwned=5',
  '{{constructor.constructor("pwned=6")()}}',
  '<iframe srcdoc="<script>parent.pwned=7<\x2fscript>">',
  '</style><script>pwned=8<\x2fscript>',
  '\u202e<b>reversed',
  '<a href="javascript:pwned=9" autofocus onfocus=pwned=9>x',
]

/** A file name cannot contain a slash. */
export const RUN_NAMES = MARKUP.map((text) => text.replaceAll('/', '∕'))

/**
 * Opens the browser; undefined without one.
 *
 * @returns {Promise<import('playwright-core').Browser | undefined>}
 */
export async function openBrowser() {
  const executablePath = process.env.RESIDUAL_TEST_CHROMIUM || (await findChromium())
  if (executablePath === undefined || !existsSync(executablePath)) return undefined
  const args = ['--no-sandbox', '--disable-dev-shm-usage']
  return await chromium.launch({ executablePath, args })
}

/**
 * Attacks a dashboard from pages of another port and of another host name, in a browser that has the
 * session cookie.
 *
 * @param {import('playwright-core').Browser} browser
 * @param {{ port: number, token: string }} target
 * @returns {Promise<Attempt[]>}
 */
export async function attackFromPages(browser, { port, token }) {
  const other = await serve((_, response) => {
    response
      .writeHead(200, { 'Content-Type': 'text/html' })
      .end('<!doctype html><title>other</title>')
  })
  const context = await browser.newContext()
  const page = await context.newPage()
  await page.goto(`http://127.0.0.1:${port}/?token=${token}`)
  /** @type {Attempt[]} */
  const attempts = []
  for (const origin of [`http://127.0.0.1:${other.port}`, `http://localhost:${other.port}`]) {
    for (const host of ['127.0.0.1', 'localhost']) {
      const attacker = await context.newPage()
      await attacker.goto(origin)
      const target = `http://${host}:${port}`
      /** @type {string[]} */
      const successes = await attacker.evaluate(`(${HOSTILE_PAGE})(${JSON.stringify(target)})`)
      const problem = successes.length === 0 ? undefined : `reaches ${successes.join(', ')}`
      attempts.push([`page of ${origin} to ${target}`, problem])
      await attacker.close()
    }
  }
  await context.close()
  other.close()
  return attempts
}

/** Elements that the page creates for no name. */
const INJECTED =
  'img[src="x"], iframe, svg[onload], [onerror], [onmouseover], [onfocus], a[href^="javascript"]'

/**
 * Opens every run and its report, and looks for markup that was not shown as text.
 *
 * @param {import('playwright-core').Browser} browser
 * @param {{ port: number, token: string }} target
 * @param {readonly string[]} runs
 * @returns {Promise<Attempt[]>}
 */
export async function attackWithMarkup(browser, { port, token }, runs) {
  const context = await browser.newContext()
  const page = await context.newPage()
  /** @type {string[]} */
  const errors = []
  page.on('dialog', (dialog) => {
    errors.push(`a dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('pageerror', (error) => errors.push(String(error)))
  const own = `http://127.0.0.1:${port}`
  await page.goto(`${own}/?token=${token}`)
  /** @type {Attempt[]} */
  const attempts = []
  for (const name of runs) {
    for (const url of [`${own}/#${new URLSearchParams({ run: name })}`, reportUrl(own, name)]) {
      await page.goto(url, { waitUntil: 'load' })
      await page.waitForTimeout(700)
      /** @type {[unknown, number, string]} */
      const [pwned, injected, text] =
        await page.evaluate(`[globalThis.pwned, document.querySelectorAll(${JSON.stringify(INJECTED)}).length,
          document.body.textContent]`)
      const isReport = url.includes('/report')
      const problem =
        pwned !== undefined
          ? `runs the script ${pwned}`
          : !isReport && injected > 0
            ? `creates ${injected} elements`
            : !isReport && !text.includes(name)
              ? 'does not show the name'
              : errors.shift()
      attempts.push([`${isReport ? 'report of ' : ''}run ${name}`, problem])
    }
  }
  await context.close()
  return attempts
}

/**
 * @param {string} own
 * @param {string} run
 */
function reportUrl(own, run) {
  return `${own}/report?${new URLSearchParams({ run })}`
}
