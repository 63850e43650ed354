/** The live page, in a real browser. */
import { once } from 'node:events'
import { appendFileSync, createWriteStream, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { finished } from 'node:stream/promises'
import type { ExecutionContext } from 'ava'
import type { BrowserContextOptions, Locator, Page } from 'playwright-core'
import { dashboard, report, train } from 'residual'
import { served } from '../dashboard/client.js'
import { makeEvaluation, makeRun } from '../report/sample-run.js'
import { folder, tinyRun } from '../tiny.js'
import { open, pageTest as test } from './browser.js'

/** Waits until all that there is has come. */
async function caughtUp(page: Page): Promise<void> {
  await page.getByText('up to date', { exact: true }).waitFor()
}

/** What stands in an element. */
const text = async (at: Locator) => (await at.textContent()) ?? ''

/** The figure of a chart. */
const chart = (page: Page, title: string) =>
  page.getByRole('figure').filter({ has: page.getByText(title, { exact: true }) })

/** Opens the page of a folder's runs. */
async function look(t: ExecutionContext, parent: string, options?: BrowserContextOptions) {
  const server = await served(t, parent)
  const opened = await open(t, server.url, options)
  await caughtUp(opened.page)
  return { ...opened, server }
}

const step = (step: number, loss: number, lr = 0.1) =>
  `${JSON.stringify({
    ...{ time: 1.5, type: 'step', epoch: 5, step, stepInEpoch: 1, stepsPerEpoch: 10, loss, lr },
    ...{ epochLoss: loss, epochAccuracy: 0.5, imagesPerSecond: 900, etaSeconds: 90 },
  })}\n`

test('a run is shown with its curves, which grow while it is written', async (t) => {
  const parent = folder(t)
  const dir = makeRun(parent, { name: 'photos' })
  const { page, complaints } = await look(t, parent)
  t.false(page.url().includes('token'))
  t.is(await page.title(), 'photos · residual')
  t.is(await page.getByRole('heading', { level: 2, name: 'photos' }).count(), 1)
  const loss = chart(page, 'Loss')
  await loss.locator('canvas').waitFor()
  await loss.filter({ hasText: /validation 0\.32/ }).waitFor()
  await chart(page, 'Accuracy')
    .filter({ hasText: /training 90\.0 %/ })
    .waitFor()
  appendFileSync(join(dir, 'metrics.jsonl'), step(41, 0.0625, 0.0123))
  await chart(page, 'Learning rate').getByText('0.0123').waitFor()
  t.deepEqual(complaints, [])
})

test('names of runs and warnings are text, whatever stands in them', async (t) => {
  const parent = folder(t)
  const names = [
    '<script>alert(1)</script>',
    '<img src=x onerror=alert(1)>',
    'طيور وزهور',
    '鸟类与花',
  ]
  for (const name of names) {
    const dir = makeRun(parent, { name, classes: ['<script>alert(2)</script>', '猫'] })
    const warning = { type: 'warning', code: 'E_IMAGE', message: '<b onclick=alert(3)>broken</b>' }
    appendFileSync(join(dir, 'metrics.jsonl'), `${JSON.stringify(warning)}\n`)
  }
  const { page, complaints } = await look(t, parent)
  for (const name of names) {
    await page.getByRole('button', { name }).click()
    await page.getByRole('heading', { level: 2, name }).waitFor()
    await caughtUp(page)
    await page.getByText('<b onclick=alert(3)>broken</b>').waitFor()
  }
  for (const name of names) await page.getByLabel(`Show the curves of ${name}`).check()
  await page.getByText('<script>alert(1)</script>, training').first().waitFor()
  t.is(await page.locator('main script, main b, nav script, nav img').count(), 0)
  t.deepEqual(complaints, [])
})

test('several runs are laid over one another, and a reload keeps what was chosen', async (t) => {
  const parent = folder(t)
  makeRun(parent, { name: 'first' })
  makeRun(parent, { name: 'second', epochs: 8 })
  const { page, complaints } = await look(t, parent)
  await page.getByRole('button', { name: /^first/ }).click()
  await page.getByLabel('Show the curves of second').check()
  const legend = chart(page, 'Loss').getByRole('listitem')
  await legend.filter({ hasText: 'second, validation' }).waitFor()
  t.is(await legend.filter({ hasText: 'first, training' }).count(), 1)
  await page.reload()
  await legend.filter({ hasText: 'second, validation' }).waitFor()
  await page.getByRole('heading', { level: 2, name: 'first' }).waitFor()
  t.true(await page.getByLabel('Show the curves of second').isChecked())
  await page.getByLabel('Show the curves of second').uncheck()
  await legend.filter({ hasText: /^\s*validation/ }).waitFor()
  t.deepEqual(complaints, [])
})

/** Stands between browser and server, so that their connections can be cut. */
async function between(t: ExecutionContext, port: number) {
  const open = new Set<Socket>()
  let isCut = false
  const proxy = createServer((browser) => {
    const server = connect(port, '127.0.0.1')
    for (const socket of [browser, server]) {
      open.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        open.delete(socket)
        browser.destroy()
        server.destroy()
      })
    }
    if (isCut) browser.destroy()
    // The server answers to its own address alone.
    const own = (address: AddressInfo) => `127.0.0.1:${address.port}`
    browser.on('data', (bytes) => {
      const text = bytes.toString('latin1')
      const from = own(proxy.address() as AddressInfo)
      server.write(text.replaceAll(from, `127.0.0.1:${port}`), 'latin1')
    })
    server.pipe(browser)
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const cut = (wanted: boolean) => {
    isCut = wanted
    if (isCut) for (const socket of open) socket.destroy()
  }
  t.teardown(() => {
    proxy.close()
    cut(true)
  })
  return { port: (proxy.address() as AddressInfo).port, cut }
}

test('a lost connection is made again, and nothing is shown twice', async (t) => {
  const parent = folder(t)
  const dir = makeRun(parent, { name: 'photos', finished: false })
  const log = join(dir, 'metrics.jsonl')
  const server = await served(t, parent)
  const { port, cut } = await between(t, server.port)
  const { page } = await open(t, server.url.replace(`:${server.port}`, `:${port}`))
  await caughtUp(page)
  await page.getByText('The epochs as a table').click()
  const rows = page.locator('tbody tr')
  // The rows come when the table is open, a moment after the click.
  await rows.nth(3).waitFor()
  t.is(await rows.count(), 4)
  cut(true)
  await page.getByText(/connection lost/).waitFor()
  const [line] = readFileSync(log, 'utf8').match(/.*"type":"epoch","epoch":4.*/) ?? []
  const next = line?.replace('"epoch":4', '"epoch":5').replace('"step":40', '"step":50')
  appendFileSync(log, `${next}\n`)
  cut(false)
  await rows.nth(4).waitFor()
  await caughtUp(page)
  const epochs = await page.locator('tbody td:first-child').allTextContents()
  t.deepEqual(epochs, ['5', '4', '3', '2', '1'])
})

test('a log that a resumed run cut back becomes shorter on the page', async (t) => {
  const parent = folder(t)
  const dir = makeRun(parent, { name: 'photos' })
  const { page } = await look(t, parent)
  await page.getByText('The epochs as a table').click()
  const rows = page.locator('tbody tr')
  await rows.nth(3).waitFor()
  t.is(await rows.count(), 4)
  const log = join(dir, 'metrics.jsonl')
  const lines = readFileSync(log, 'utf8').split('\n')
  writeFileSync(log, `${lines.slice(0, 12).join('\n')}\n`)
  await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 1)
  t.pass()
})

test('a run is watched while it trains, shows what it makes of images, and is stopped from the page', async (t) => {
  const config = tinyRun(t, { epochs: 5000 })
  const run = train(config)
  for await (const event of run) if (event.type === 'epoch') break
  const server = await dashboard(dirname(config.out as string), { port: 0 })
  t.teardown(() => server.close())
  const { page, complaints } = await open(t, server.url)
  await page.getByText('running', { exact: true }).waitFor()
  await page.getByText(/^epoch \d+ of 5,000 · step \d+ of \d+ · .+ to go$/).waitFor()
  const pictures = page.locator('#samples li')
  await pictures.nth(11).waitFor()
  t.regex(await text(page.locator('#samples-about')), /of 12 validation images right, after epoch/)
  t.true(
    await pictures
      .first()
      .locator('img')
      .evaluate((img: HTMLImageElement) => img.naturalWidth === 8),
  )

  // Not by one click that was a mistake.
  await page.getByRole('button', { name: 'Stop and save' }).click()
  await page.getByRole('button', { name: 'Let it go on' }).click()
  t.is(run.state, 'running')
  await page.getByRole('button', { name: 'Stop and save' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Stop and save' }).click()
  const { stopReason, epochs } = await run
  t.is(stopReason, 'stopped')
  t.true(epochs < 5000)
  await page.getByText('It has stopped, and was saved.').waitFor()
  await page.getByText('stopped', { exact: true }).waitFor()
  t.is(await page.getByRole('button', { name: 'Stop and save' }).count(), 0)
  t.deepEqual(complaints, [])
})

test('100,000 points come in seconds and are drawn in a fraction of one, again and again', async (t) => {
  const parent = folder(t)
  const dir = makeRun(parent, { name: 'long', epochs: 1, finished: false })
  const out = createWriteStream(join(dir, 'metrics.jsonl'))
  for (let index = 1; index <= 100_000; index++) {
    out.write(step(index, 2 / (1 + index / 9000) + (index === 54_321 ? 9 : 0.1 * Math.sin(index))))
  }
  out.end()
  await finished(out)
  const began = Date.now()
  const { page, complaints } = await look(t, parent)
  const seconds = (Date.now() - began) / 1000
  const drawn = await page.evaluate(() => {
    const smooth = document.getElementById('smooth') as HTMLInputElement
    const times = Array.from({ length: 10 }, () => {
      const start = performance.now()
      smooth.click() // draws all four charts
      return performance.now() - start
    })
    return times.sort((a, b) => a - b)[5] ?? Number.NaN
  })
  t.log(`shown after ${seconds.toFixed(1)} s, drawn in ${drawn.toFixed(0)} ms`)
  // What a busy machine may take; on an idle one it is a tenth of that.
  t.true(seconds < 60, `${seconds} s`)
  t.true(drawn < 400, `${drawn} ms`)
  // The one batch that stood out still does.
  const marks = await chart(page, 'Loss').getByRole('group').getAttribute('aria-label')
  t.regex(marks ?? '', /^Loss: batches/)
  t.deepEqual(complaints, [])
})

test('a stretch is looked at closer with the mouse and with the keyboard, which reads the values out', async (t) => {
  const parent = folder(t)
  makeRun(parent, { name: 'photos', epochs: 10 })
  const { page, complaints } = await look(t, parent)
  const plot = chart(page, 'Loss').getByRole('group')
  const box = await chart(page, 'Loss').locator('.u-over').boundingBox()
  if (box === null) return t.fail('there is no plot')
  const all = page.getByRole('button', { name: 'Show all of it' })
  t.false(await all.isVisible())
  await page.mouse.move(box.x + box.width / 4, box.y + 50)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width / 2, box.y + 60, { steps: 4 })
  await page.mouse.up()
  await all.waitFor()
  await all.click()
  await all.waitFor({ state: 'hidden' })

  await plot.focus()
  await page.keyboard.press('Home')
  await page.keyboard.press('ArrowRight')
  await chart(page, 'Loss')
    .getByRole('status')
    .filter({ hasText: /^step \S+: batches/ })
    .waitFor()
  await page.keyboard.press('+')
  await all.waitFor()
  await page.keyboard.press('0')
  await all.waitFor({ state: 'hidden' })
  t.deepEqual(complaints, [])
})

test('it fits a phone, and a dark room', async (t) => {
  const parent = folder(t)
  makeRun(parent, {
    name: 'a-run-with-a-name-that-is-rather-longer-than-a-phone-is-wide-by-any-measure',
  })
  makeRun(parent, { name: 'other' })
  const phone = { viewport: { width: 360, height: 740 }, colorScheme: 'dark' as const }
  const { page, complaints } = await look(t, parent, phone)
  await page.getByText('The epochs as a table').click()
  const [wide, background] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    getComputedStyle(document.body).backgroundColor,
  ])
  t.is(wide, 360)
  t.is(background, 'rgb(20, 23, 28)')
  t.deepEqual(complaints, [])
})

test('all that can be used has a name and is reached by the Tab key', async (t) => {
  const parent = folder(t)
  makeRun(parent, { name: 'photos' })
  makeRun(parent, { name: 'other' })
  const { page } = await look(t, parent)
  const nameless = await page.evaluate(() =>
    [...document.querySelectorAll('button, input, select, [tabindex="0"]')]
      .filter((element) => {
        const { labels } = element as HTMLInputElement
        const words = [
          element.textContent,
          element.getAttribute('aria-label'),
          labels?.[0]?.textContent,
        ]
        return !words.some((text) => text?.trim())
      })
      .map((element) => element.outerHTML),
  )
  t.deepEqual(nameless, [])
  const reached = new Set<string>()
  for (let presses = 0; presses < 30; presses++) {
    await page.keyboard.press('Tab')
    reached.add(
      await page.evaluate(() => {
        const { activeElement: at } = document
        return at?.id || at?.getAttribute('aria-label') || at?.textContent?.trim() || ''
      }),
    )
  }
  for (const wanted of [
    /^Skip to the run/,
    /curves of photos/,
    /^photos/,
    /^along/,
    /^smooth/,
    /^Loss:/,
    /table/,
  ]) {
    t.true(
      [...reached].some((name) => wanted.test(name)),
      `${wanted} in ${[...reached]}`,
    )
  }
})

test('an address without its token, or from before, says what to open', async (t) => {
  const server = await served(t, folder(t))
  const { page } = await open(t, `http://127.0.0.1:${server.port}/`)
  t.regex(await text(page.locator('body')), /Open the address that `residual` printed/)
})

test('a folder without runs says how to get the first, and shows it when it comes', async (t) => {
  const parent = folder(t)
  const server = await served(t, parent)
  const { page, complaints } = await open(t, server.url)
  await page.getByText(/There are no runs here yet/).waitFor()
  makeRun(parent, { name: 'photos' })
  await page.getByRole('heading', { level: 2, name: 'photos' }).waitFor()
  t.deepEqual(complaints, [])
})

test('a server that ends leaves what it showed, and says so', async (t) => {
  const parent = folder(t)
  makeRun(parent, { name: 'photos' })
  const { page, server } = await look(t, parent)
  await server.close()
  await page.getByText(/the server has ended/).waitFor()
  await chart(page, 'Accuracy').getByText('90.0 %').first().waitFor()
  t.pass()
})

test('a run that has a report links to it: it opens in a tab of its own, whole, and nothing in it runs', async (t) => {
  const parent = folder(t)
  const dir = makeRun(parent, { name: 'photos & friends' })
  makeRun(parent, { name: 'without' })
  const kept = { split: 'test', epoch: 4, evaluation: makeEvaluation(['ant', 'bee', 'wasp']) }
  writeFileSync(join(dir, 'evaluation.json'), JSON.stringify(kept))
  const { file } = await report(dir)
  const { page, complaints } = await look(t, parent)
  await page.getByRole('button', { name: /^without/ }).click()
  await page.getByRole('heading', { level: 2, name: 'without' }).waitFor()
  const link = page.getByRole('link', { name: 'Open the report' })
  t.is(await link.count(), 0)
  await page.getByRole('button', { name: /^photos/ }).click()
  await link.waitFor()

  const opened = async () => {
    const [tab] = await Promise.all([page.waitForEvent('popup'), link.click()])
    tab.on('console', (message) => complaints.push(message.text()))
    await tab.waitForLoadState()
    return tab
  }
  const tab = await opened()
  t.deepEqual(complaints, []) // of looking into a page that runs no script it complains, too
  t.is(await tab.title(), 'resnet20 on photos')
  const image = tab.locator('img').first()
  t.is(await image.evaluate((img: HTMLImageElement) => img.naturalWidth), 96)
  const figures = tab.locator('figure svg')
  t.true((await figures.count()) >= 5)
  t.is(await tab.locator('body').evaluate((body) => getComputedStyle(body).marginTop), '0px')
  await tab.getByRole('link', { name: 'Class by class' }).click()
  t.is(new URL(tab.url()).hash, '#classes')
  await tab.close()

  // Whoever wrote the file: it runs nothing, asks for nothing and goes nowhere.
  const hostile = `<meta http-equiv="refresh" content="0; url=/api/runs"><title>quiet</title>
    <script>document.title = 'loud'</script><img src="/icon.svg" onerror="document.title = 'loud'">
    <form action="/api/stop?run=photos" method="post"><button>go</button></form>`
  writeFileSync(file, hostile)
  const asked: string[] = []
  page.context().on('requestfinished', (request) => asked.push(request.url()))
  const quiet = await opened()
  await quiet.getByRole('button', { name: 'go' }).click()
  await quiet.waitForTimeout(300)
  t.is(await quiet.title(), 'quiet')
  t.regex(quiet.url(), /\/report\?run=photos/)
  const own = asked.filter((url) => !/\/api\/(runs|stream|samples)\b/.test(url))
  t.deepEqual(own, [quiet.url()])
})

test('a server that ends, or is lost after the run, leaves the command that shows it again', async (t) => {
  const parent = join(folder(t), "people's runs")
  makeRun(parent, { name: 'photos' })
  const { page, server } = await look(t, parent)
  const command = page.locator('#connection code')
  await server.close()
  await page.getByText(/the server has ended/).waitFor()
  t.is(await text(command), `residual dashboard '${parent.replace("'", "'\\''")}'`)

  const other = await served(t, parent)
  const { port, cut } = await between(t, other.port)
  const again = await open(t, other.url.replace(`:${other.port}`, `:${port}`))
  await caughtUp(again.page)
  cut(true)
  await again.page.getByText(/connection lost; trying again/).waitFor()
  await again.page.locator('#connection code').waitFor()
  cut(false)
  await caughtUp(again.page)
})
