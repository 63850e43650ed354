import { existsSync } from 'node:fs'
import ava, { type ExecutionContext } from 'ava'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

/** Where Debian and others have it. `npm test` names it, having installed it where it may. */
const PLACES = ['chromium', 'chromium-browser', 'google-chrome'].map((name) => `/usr/bin/${name}`)

const executable = [process.env.RESIDUAL_TEST_CHROMIUM, ...PLACES].find(
  (path) => path !== undefined && path !== '' && existsSync(path),
)

if (executable === undefined) {
  console.error('no Chromium is installed: the tests of pages are skipped')
}

/** A test that needs a browser; skipped where there is none. */
export const pageTest = (
  executable === undefined ? ava.serial.skip : ava.serial
) as typeof ava.serial

let browser: Promise<Browser> | undefined

ava.after.always('the browser goes', async () => {
  await (await browser)?.close()
})

/** A page of its own, and what went wrong on it. */
export interface Opened {
  page: Page
  /** Errors of scripts, and whatever the browser complains of on its console. */
  complaints: string[]
}

/** Opens an address, as in a new window of the browser; it is closed with the test. */
export async function open(
  t: ExecutionContext,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Opened> {
  browser ??= chromium.launch({
    executablePath: executable as string,
    // Its sandbox needs what root in a container has not; the pages are ours.
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  })
  const context = await (await browser).newContext({
    viewport: { width: 1280, height: 900 },
    ...options,
  })
  t.teardown(() => context.close())
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('dialog', (dialog) => complaints.push(`a dialog: ${dialog.message()}`))
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  await page.goto(url)
  return { page, complaints }
}
