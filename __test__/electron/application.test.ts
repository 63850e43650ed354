/** Tests of the example application: page in Chromium, main process and training process. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { pageTest as test } from '../page/browser.js'
import { tempFolder } from '../tiny.js'
import { startApplication } from './application.js'
import { SHAPE_NAMES, shapeFolder, shapePng } from './shapes.js'

const status = (page: Page, text: string) =>
  page
    .locator('#status')
    .filter({ hasText: new RegExp(`^${text}$`) })
    .waitFor()

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })

test('a user chooses a folder, trains, pauses, loses the process, predicts and exports', async (t) => {
  const parent = tempFolder(t)
  const dialogs = { folder: shapeFolder(parent, 12, 8), file: join(parent, 'shapes.onnx') }
  const { application } = await startApplication(t, dialogs)
  const window = await application.openWindow()
  const { page, errors } = window.opened
  t.like(window.preferences, { contextIsolation: true, sandbox: true, nodeIntegration: false })
  t.deepEqual(
    await page.evaluate(() => Object.keys((window as unknown as { residual: object }).residual)),
    ['subscribe', 'train', 'pause', 'resume', 'stop', 'predict', 'exportModel'],
  )
  await button(page, 'Choose a folder').click()
  for (const name of SHAPE_NAMES) {
    const item = page.getByRole('listitem').filter({ hasText: name })
    await item.getByText('12 pictures').waitFor()
    t.is(await item.locator('img').count(), 8)
  }
  const sizes = await page.locator('.thumbnails img').evaluateAll((images) =>
    Promise.all(
      images.map(async (image) => {
        ;(image as HTMLImageElement).loading = 'eager'
        await (image as HTMLImageElement).decode()
        return (image as HTMLImageElement).naturalWidth
      }),
    ),
  )
  t.deepEqual(new Set(sizes), new Set([8]))

  await page.getByLabel('Epochs').fill('400')
  await button(page, 'Train').press('Enter')
  await status(page, 'Training')
  await page.getByRole('img', { name: /^Accuracy after \d+ epochs?: training/ }).waitFor()
  await page.getByText(/^Epoch \d+ of 400/).waitFor()
  await button(page, 'Pause').click()
  await status(page, 'Paused')
  await button(page, 'Resume').click()
  await status(page, 'Training')

  process.kill(application.trainer.snapshot.process.pid as number, 'SIGKILL')
  await page.getByText(/The training process was restarted once, last from step \d+/).waitFor()
  await status(page, 'Training')

  // A second window shows the run from its beginning.
  const second = await application.openWindow()
  await status(second.opened.page, 'Training')
  await second.opened.page.getByRole('img', { name: /^Accuracy after/ }).waitFor()
  await second.opened.page.getByRole('button', { name: 'Stop', exact: true }).click()
  await status(page, 'Stopped')
  await status(second.opened.page, 'Stopped')
  await second.close()

  await page.locator('#file').setInputFiles({
    name: 'new.png',
    mimeType: 'image/png',
    buffer: shapePng('squares', 99, 8),
  })
  const rows = page.locator('#probabilities li')
  await rows.first().waitFor()
  t.is(await rows.count(), 3)
  t.regex((await rows.first().textContent()) as string, /[\d.]+%/)
  await page.locator('#file').setInputFiles({
    name: 'text.png',
    mimeType: 'image/png',
    buffer: Buffer.from('not a picture'),
  })
  await page.getByText(/neither a JPEG nor a PNG/).waitFor()

  await button(page, 'Export the model').click()
  await page.getByText(`Exported to ${dialogs.file}`).waitFor()
  t.true(existsSync(dialogs.file))
  // No script failed, and the policy blocked nothing.
  t.deepEqual(errors, [])
})

test('an application that was quit continues its run', async (t) => {
  const dialogs = { folder: shapeFolder(tempFolder(t), 12, 8) }
  const first = await startApplication(t, dialogs)
  const { page } = (await first.application.openWindow()).opened
  await button(page, 'Choose a folder').click()
  await page.getByLabel('Epochs').fill('60')
  await button(page, 'Train').click()
  await page.getByRole('img', { name: /^Accuracy after/ }).waitFor()
  first.electron.app.quit()
  await new Promise((resolve) => first.electron.app.once('quit', resolve))
  const { result } = first.application.trainer.snapshot
  t.is(result?.stopReason, 'stopped')

  const { userData } = first
  const next = await startApplication(t, dialogs, { userData })
  const reopened = (await next.application.openWindow()).opened.page
  await status(reopened, 'Stopped')
  await reopened.getByRole('img', { name: /^Accuracy after/ }).waitFor()
  await button(reopened, 'Continue the last run').click()
  await status(reopened, 'Finished')
  await reopened.getByText(/^The best epoch, \d+, classifies/).waitFor()
  t.is(next.application.trainer.snapshot.start?.startStep, result?.steps)
})

test('empty folders, broken pictures and cancelled dialogs are explained', async (t) => {
  const parent = tempFolder(t)
  const dialogs: { folder?: string } = {}
  const { application } = await startApplication(t, dialogs)
  const { page, errors } = (await application.openWindow()).opened
  await button(page, 'Choose a folder').click()
  await page.getByText('Your pictures stay on this computer.').waitFor()
  dialogs.folder = parent
  await button(page, 'Choose a folder').click()
  await page.getByText(/no subfolders with JPEG or PNG pictures/).waitFor()
  t.true(await button(page, 'Train').isDisabled())

  dialogs.folder = shapeFolder(parent, 12, 8)
  await button(page, 'Choose another folder').click()
  for (const name of SHAPE_NAMES) {
    for (let index = 0; index < 12; index++) {
      writeFileSync(join(dialogs.folder, name, `${index}.png`), 'broken')
    }
  }
  await button(page, 'Train').click()
  await page.getByRole('alert').waitFor()
  await status(page, 'Failed')
  const message = page.locator('#error .message')
  t.regex((await message.textContent()) as string, /^[A-Z`/].{10,}\.$/)
  t.deepEqual(errors, [])
})

test('the page is served with a content security policy, and nothing outside it', async (t) => {
  const { application } = await startApplication(t, {})
  const get = (path: string) => application.serve(new Request(`app://pictures${path}`))
  const page = await get('/index.html')
  t.is(page.status, 200)
  const policy = page.headers.get('content-security-policy') as string
  t.regex(policy, /^default-src 'none'; script-src 'self'; style-src 'self';/)
  t.false(policy.includes('unsafe'))
  for (const path of ['/../main.mjs', '/%2e%2e/main.mjs', '/..%2fmain.mjs', '/thumbnails/0/0']) {
    t.is((await get(path)).status, 404, path)
  }
})
