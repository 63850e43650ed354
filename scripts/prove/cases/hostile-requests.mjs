import { existsSync } from 'node:fs'
import { cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ROOT } from '../../setup.mjs'
import { Child, CLI } from '../child.mjs'
import {
  attackFromPages,
  attackWithMarkup,
  MARKUP,
  openBrowser,
  RUN_NAMES,
} from '../hostile/browser.mjs'
import { serveNaively } from '../hostile/naive-server.mjs'
import {
  attackGuard,
  attackPaths,
  attackProtocol,
  attackSlowly,
  attackStreams,
  login,
  SECRET,
} from '../hostile/requests.mjs'
import { tinyConfig, writeIdxData } from '../tiny-data.mjs'

/** @typedef {import('../case.mjs').Context} Context */
/** @typedef {import('../hostile/requests.mjs').Attempt} Attempt */
/** @typedef {import('../hostile/requests.mjs').Target} Target */

const SLOW_CLIENTS = 500
const STREAMS = 500
const MAX_MEGABYTES = 500
const SEED = join(ROOT, 'crates', 'runlog', 'tests', 'corpus', 'run')

/** @type {import('../case.mjs').Case} */
export const hostileRequests = {
  name: 'hostile-requests',
  title:
    'The dashboard answers only its own page: other programs and other pages can neither read ' +
    'runs, nor stop them, nor keep the page from working.',
  attack:
    'A dashboard serves a run in progress, runs whose names, classes and files are markup, and ' +
    'links to a folder outside. Clients without the token, with other hosts, origins and ' +
    'cookies, with 16 spellings of `..`, malformed requests and floods of headers must get no ' +
    'data; 500 slow clients and 500 idle streams must not delay an authorized request by more ' +
    'than 5 seconds. In Chromium, which has the session cookie, pages of another port and of ' +
    'another host name try to read, to embed and to stop; names with markup must be shown as ' +
    'text. At the end the run must still be in progress.',
  limits:
    'Whoever has the token, or can read the memory or the files of the user, has access. The ' +
    'connection is not encrypted; the server listens on 127.0.0.1 only.',
  test: '__test__/page/attack.test.ts',
  timeoutSeconds: 1200,
  prove,
}

/** @param {Context} context */
async function prove(context) {
  const runs = join(context.folder, 'runs')
  await writeRuns(context.folder, runs)
  const training = await startRun(context.folder, runs)
  const server = Child.node([CLI, 'dashboard', runs, '--port', '0', '--json', '--no-open'], {
    timeoutSeconds: 1190,
  })
  const { url, port } = JSON.parse((await server.readLine()) ?? '{}')
  const token = new URL(url).searchParams.get('token') ?? ''
  const target = { port, token, cookie: await login(port, token) }
  const groups = await attack(context, target)
  const { browser: browserAttempts, ...rest } = groups
  const accepted = rest.accepted
  const attempts = [...rest.attempts, ...browserAttempts]
  const { megabytes, problems } = await checkState(server, training, runs)
  attempts.push(...problems)
  training.kill('SIGKILL')
  server.kill('SIGINT')
  const { status } = await server.ended
  attempts.push(['the end of the dashboard', status === 130 ? undefined : `status ${status}`])

  const controls = await attackNaiveServer(context, runs)
  const failures = attempts.flatMap(([name, problem]) => (problem ? [`${name}: ${problem}`] : []))
  return {
    attempts: attempts.length,
    upheld: attempts.length - failures.length,
    failures,
    notes: browserAttempts.length > 0 ? [] : ['Attacks in a browser need Chromium.'],
    measurements: [
      { label: 'attacks in Chromium', value: browserAttempts.length },
      { label: 'idle streams that were accepted', value: accepted },
      { label: 'peak memory of the dashboard', value: megabytes, unit: 'MB' },
    ],
    control: {
      fault:
        'a server without protection: access without the secret, paths, slow clients, attacks in Chromium',
      attempts: controls.length,
      detected: controls.filter((isDetected) => isDetected).length,
    },
  }
}

/**
 * Attacks the dashboard in every way, one group of attacks after the other.
 *
 * @param {Context} context
 * @param {Target} target
 */
async function attack(context, target) {
  /** @type {Attempt[]} */
  const attempts = []
  for (const group of [attackGuard, attackPaths, attackProtocol]) {
    const made = await group(target)
    context.log(`${group.name}: ${describe(made)}`)
    attempts.push(...made)
  }
  const slow = await attackSlowly(target, context.attempts(SLOW_CLIENTS))
  const streams = await attackStreams(target, context.attempts(STREAMS))
  context.log(`slow clients: ${describe(slow)}; streams: ${describe(streams.attempts)}`)
  attempts.push(...slow, ...streams.attempts)
  const opened = await openBrowser()
  const browser =
    opened === undefined
      ? []
      : [
          ...(await attackFromPages(opened, target)),
          ...(await attackWithMarkup(opened, target, RUN_NAMES)),
        ]
  await opened?.close()
  context.log(`browser: ${describe(browser)}`)
  return { attempts, browser, accepted: streams.accepted }
}

/** @param {readonly Attempt[]} attempts */
function describe(attempts) {
  const problems = attempts.filter(([, problem]) => problem !== undefined)
  return `${attempts.length} attempts, ${problems.length} problems`
}

/**
 * Writes runs with hostile names and content, and links to a folder outside.
 *
 * @param {string} folder
 * @param {string} runs
 */
async function writeRuns(folder, runs) {
  const secret = join(folder, 'secret')
  await cp(SEED, secret, { recursive: true })
  await writeFile(join(secret, 'canary'), SECRET)
  for (const name of ['config.json', 'metrics.jsonl']) {
    const text = await readFile(join(secret, name), 'utf8')
    await writeFile(join(secret, name), text.replaceAll('./images', SECRET))
  }
  await mkdir(runs, { recursive: true })
  for (const [index, name] of RUN_NAMES.entries())
    await writeMarkupRun(join(runs, name), MARKUP[index])
  await symlink(secret, join(runs, 'linked'))
  for (const [name, file, target] of [
    ['linked-log', 'metrics.jsonl', 'metrics.jsonl'],
    ['linked-report', 'report.html', 'canary'],
  ]) {
    await cp(SEED, join(runs, name), { recursive: true })
    await rm(join(runs, name, file), { force: true })
    await symlink(join(secret, target), join(runs, name, file))
  }
}

/**
 * Writes a run in which every text is markup.
 *
 * @param {string} run
 * @param {string} text
 */
async function writeMarkupRun(run, text) {
  await cp(SEED, run, { recursive: true })
  const quoted = JSON.stringify(text)
  for (const name of ['config.json', 'metrics.jsonl', 'result.json', 'environment.json']) {
    const content = await readFile(join(run, name), 'utf8')
    const replaced = content
      .replaceAll(/"(resnet8|\.\/images|val\.accuracy|2\.11\.0|a processor)"/g, () => quoted)
      .replaceAll('"classes":["0","1","2"]', () => `"classes":[${quoted},"1","2"]`)
    await writeFile(join(run, name), replaced)
  }
  const warning = JSON.stringify({
    time: 1,
    type: 'warning',
    code: 'E_IO',
    message: text,
    hint: text,
  })
  await writeFile(join(run, 'metrics.jsonl'), `${warning}\n`, { flag: 'a' })
  await writeFile(join(run, 'report.html'), `<!doctype html><title>${text}</title>${text}`)
}

/**
 * Starts a run that does not end by itself, and waits for its first checkpoint.
 *
 * @param {string} folder
 * @param {string} runs
 */
async function startRun(folder, runs) {
  const data = writeIdxData(join(folder, 'data'))
  const config = tinyConfig(data, join(runs, 'photos'), { epochs: 100_000 })
  const file = join(folder, 'photos.json')
  await writeFile(file, JSON.stringify(config))
  const child = Child.node([CLI, 'train', '--config', file], { timeoutSeconds: 1190 })
  const checkpoint = join(runs, 'photos', 'checkpoints', 'last.safetensors')
  for (let tries = 0; tries < 600 && !existsSync(checkpoint); tries++) {
    await new Promise((done) => setTimeout(done, 100))
  }
  return child
}

/**
 * Checks that neither the server nor the run was affected.
 *
 * @param {Child} server
 * @param {Child} training
 * @param {string} runs
 * @returns {Promise<{ megabytes: number, problems: Attempt[] }>}
 */
async function checkState(server, training, runs) {
  const hasEnded = (/** @type {Child} */ child) =>
    child.process.exitCode !== null || child.process.signalCode !== null
  const status = await readFile(`/proc/${server.process.pid}/status`, 'utf8').catch(() => '')
  const megabytes = Math.round(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024)
  const isStopped = existsSync(join(runs, 'photos', '.stop')) || hasEnded(training)
  return {
    megabytes,
    problems: [
      ['the dashboard', hasEnded(server) ? 'ended' : undefined],
      ['the run in progress', isStopped ? 'was stopped' : undefined],
      ['memory', megabytes > MAX_MEGABYTES ? `${megabytes} MB` : undefined],
    ],
  }
}

/**
 * Applies every group of attacks to a server without protection. Returns whether each group reports
 * a problem.
 *
 * @param {Context} context
 * @param {string} runs
 */
async function attackNaiveServer(context, runs) {
  const server = await serveNaively(runs)
  const target = { port: server.port, token: 'token', cookie: 'session=1' }
  const groups = [
    await attackGuard(target),
    await attackPaths(target),
    await attackSlowly(target, context.attempts(SLOW_CLIENTS)),
  ]
  const browser = await openBrowser()
  if (browser !== undefined) {
    groups.push(
      await attackFromPages(browser, target),
      await attackWithMarkup(browser, target, MARKUP),
    )
    await browser.close()
  }
  server.close()
  return groups.map((attempts) => attempts.some(([, problem]) => problem !== undefined))
}
