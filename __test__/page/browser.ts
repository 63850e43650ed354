import { existsSync } from 'node:fs'
import ava, { type ExecutionContext } from 'ava'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

/** Usual paths of Chromium. `npm test` installs Chromium and sets RESIDUAL_TEST_CHROMIUM. */
const PATHS = ['chromium', 'chromium-browser', 'google-chrome'].map((name) => `/usr/bin/${name}`)

const executable = [process.env.RESIDUAL_TEST_CHROMIUM, ...PATHS].find(
  (path) => path !== undefined && path !== '' && existsSync(path),
)

if (executable === undefined) {
  console.error('Chromium is not installed: page tests are skipped')
}

/** A test that needs a browser; skipped without one. */
export const pageTest = (
  executable === undefined ? ava.serial.skip : ava.serial
) as typeof ava.serial

let browser: Promise<Browser> | undefined

ava.after.always('close the browser', async () => {
  await (await browser)?.close()
})

/** A page with its errors. */
export interface OpenPage {
  page: Page
  /** Script errors, dialogs, and errors and warnings on the console. */
  errors: string[]
}

/** Opens a URL in a new browser context, which is closed at the end of the test. */
export async function open(
  t: ExecutionContext,
  url: string,
  options: BrowserContextOptions = {},
): Promise<OpenPage> {
  const opened = await openEmpty(t, options)
  await opened.page.goto(url)
  return opened
}

/** Opens an empty page in a new browser context, which is closed at the end of the test. */
export async function openEmpty(
  t: ExecutionContext,
  options: BrowserContextOptions = {},
): Promise<OpenPage> {
  browser ??= chromium.launch({
    executablePath: executable as string,
    // Chromium's sandbox does not work for root in a container; the pages are trusted.
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  })
  const context = await (await browser).newContext({
    viewport: { width: 1280, height: 900 },
    ...options,
  })
  t.teardown(() => context.close())
  const page = await context.newPage()
  const errors: string[] = []
  page.on('pageerror', (error) => errors.push(String(error)))
  page.on('dialog', (dialog) => errors.push(`a dialog: ${dialog.message()}`))
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) errors.push(message.text())
  })
  return { page, errors }
}
