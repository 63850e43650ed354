import { spawn } from 'node:child_process'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { ROOT, residual } from '../child.js'
import { login, send, startDashboard } from '../dashboard/client.js'
import { makeRun } from '../report/sample-run.js'
import { folder, idxData } from '../tiny.js'

test('the live page is served until Ctrl-C, at the address on stdout', async (t) => {
  const parent = folder(t)
  makeRun(parent, { name: 'photos' })
  let runs = ''
  const { status, stdout, stderr } = await residual(['dashboard', parent, '--json', '--no-open'], {
    during: async (child) => {
      const page = JSON.parse(await child.saysLine())
      runs = (await send(page, '/api/runs', { headers: { cookie: await login(page) } })).body
      child.kill('SIGINT')
    },
  })
  t.is(JSON.parse(runs).runs[0].id, 'photos')
  t.is(status, 130, stderr)
  t.is(stdout.split('\n').length, 2)
  t.regex(stderr, /shows the runs in .*; Ctrl-C ends it/)
})

test('a port that is taken is an error with a hint, not a stack', async (t) => {
  const { port } = await startDashboard(t, folder(t))
  const { status, stdout, stderr } = await residual(['dashboard', '--port', String(port)])
  t.is(status, 1)
  t.is(stdout, '')
  t.is(
    stderr,
    `error: port ${port} cannot be had: another program listens on it (E_PORT)\n` +
      '  Leave the port out, and a free one is taken; or name another above 1023.\n',
  )
  for (const wrong of ['-1', 'http', '99999']) {
    const refused = await residual(['dashboard', `--port=${wrong}`])
    t.is(refused.status, 2, refused.stderr)
  }
})

test('train --open says where it is watched, and trains as without', async (t) => {
  const path = folder(t)
  const { status, stdout, stderr } = await residual(
    [
      ...['train', idxData(path), '--model', 'resnet8', '--out', join(path, 'runs', 'digits')],
      ...['--open', '--no-report', 'budget.steps=4', 'batchSize=12', 'threads=1', 'workers=1'],
    ],
    { env: { DISPLAY: '', WAYLAND_DISPLAY: '' } },
  )
  t.is(status, 0, stderr)
  t.regex(stderr, /watch it at http:\/\/127\.0\.0\.1:\d+\/\?token=\S+#run=digits\n/)
  t.regex(stderr, /the live page has ended; `residual dashboard .*runs` serves it again/)
  t.regex(stdout, /completed|budget/)
  t.notRegex(stderr, /stays open/)
})

/** Types into a terminal in which the command runs. */
async function typing(
  t: ExecutionContext,
  more: readonly string[],
  env: NodeJS.ProcessEnv,
  during: (said: (text: RegExp) => Promise<string>, type: (keys: string) => void) => Promise<void>,
): Promise<{ status: number | null; text: string }> {
  const path = folder(t)
  const out = join(path, 'runs', 'digits')
  const words = [
    // A shell that waited would get Ctrl-C too, and dash would then end by it whatever the command did.
    ...['exec', process.execPath, 'dist/cli/main.js', 'train', idxData(path)],
    ...[
      '--model',
      'resnet8',
      '--open',
      '--no-report',
      '--out',
      out,
      'batchSize=12',
      'threads=1',
      'workers=1',
      ...more,
    ],
  ]
  const child = spawn('script', ['-qefc', words.join(' '), '/dev/null'], {
    cwd: ROOT,
    env: { ...process.env, DISPLAY: '', WAYLAND_DISPLAY: '', CI: undefined, ...env },
  })
  t.teardown(() => child.kill())
  let text = ''
  const checks = new Set<() => void>()
  child.stdout.setEncoding('utf8').on('data', (more) => {
    text += more
    for (const check of checks) check()
  })
  const status = new Promise<number | null>((resolve) => child.on('close', resolve))
  const said = (wanted: RegExp) =>
    new Promise<string>((resolve) => {
      const check = () => {
        const found = wanted.exec(text)
        if (found) resolve(found[1] ?? found[0])
      }
      checks.add(check)
      check()
    })
  await Promise.race([during(said, (keys) => child.stdin.write(keys)), status])
  return { status: await status, text }
}

const CTRL_C = '\x03'

test('on a terminal the page of train --open stays after the run, until Ctrl-C, which is no failure', async (t) => {
  let runs = ''
  const { status, text } = await typing(t, ['budget.steps=4'], {}, async (said, type) => {
    const url = await said(/the page stays open until Ctrl-C: (http:\S+)/)
    const { port } = new URL(url)
    const page = { url, port: Number(port) }
    runs = (await send(page, '/api/runs', { headers: { cookie: await login(page) } })).body
    type(CTRL_C)
  })
  t.is(status, 0, text)
  t.like(JSON.parse(runs).runs[0], { id: 'digits', state: 'ended' })
  t.regex(text, /`residual dashboard .*runs` serves it again/)
})

test('after Ctrl-C during the run, in a CI, or with --json, it does not stay', async (t) => {
  const stopped = await typing(t, ['epochs=100000'], {}, async (said, type) => {
    await said(/epoch {2}/)
    type(CTRL_C)
  })
  t.is(stopped.status, 130, stopped.text)
  const ci = await typing(t, ['budget.steps=4'], { CI: 'true' }, async () => {})
  const json = await typing(t, ['budget.steps=4', '--json'], {}, async () => {})
  for (const { status, text } of [ci, json]) t.is(status, 0, text)
  for (const { text } of [stopped, ci, json]) t.notRegex(text, /stays open/)
})
