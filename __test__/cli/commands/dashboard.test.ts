import { spawn } from 'node:child_process'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { ROOT, residual } from '../../child.js'
import { login, send, startDashboard } from '../../dashboard/client.js'
import { writeSampleRun } from '../../report/sample-run.js'
import { idxData, tempFolder } from '../../tiny.js'

test('dashboard prints its URL and serves until Ctrl-C', async (t) => {
  const parent = tempFolder(t)
  writeSampleRun(parent, { name: 'photos' })
  let runs = ''
  const { status, stdout, stderr } = await residual(['dashboard', parent, '--json', '--no-open'], {
    during: async (child) => {
      const page = JSON.parse(await child.waitForLine())
      runs = (await send(page, '/api/runs', { headers: { cookie: await login(page) } })).body
      child.kill('SIGINT')
    },
  })
  t.is(JSON.parse(runs).runs[0].id, 'photos')
  t.is(status, 130, stderr)
  t.is(stdout.split('\n').length, 2)
  t.regex(stderr, /serving the runs in .*; press Ctrl-C to stop/)
})

test('a used port is an error with a hint', async (t) => {
  const { port } = await startDashboard(t, tempFolder(t))
  const { status, stdout, stderr } = await residual(['dashboard', '--port', String(port)])
  t.is(status, 1)
  t.is(stdout, '')
  t.is(
    stderr,
    `error: port ${port} is not available: another program is using it (E_PORT)\n` +
      '  Omit the port to use a free one, or choose another port above 1023.\n',
  )
  for (const invalid of ['-1', 'http', '99999']) {
    const rejected = await residual(['dashboard', `--port=${invalid}`])
    t.is(rejected.status, 2, rejected.stderr)
  }
})

test('train --open prints the URL of the dashboard', async (t) => {
  const path = tempFolder(t)
  const { status, stdout, stderr } = await residual(
    [
      ...['train', idxData(path), '--model', 'resnet8', '--out', join(path, 'runs', 'digits')],
      ...['--open', '--no-report', 'budget.steps=4', 'batchSize=12', 'threads=1', 'workers=1'],
    ],
    { env: { DISPLAY: '', WAYLAND_DISPLAY: '' } },
  )
  t.is(status, 0, stderr)
  t.regex(stderr, /dashboard: http:\/\/127\.0\.0\.1:\d+\/\?token=\S+#run=digits\n/)
  t.regex(stderr, /dashboard closed; start it again with `(npx )?residual dashboard .*runs`/)
  t.regex(stdout, /completed|budget/)
  t.notRegex(stderr, /stays available/)
})

/** A terminal in which a command runs. */
interface Terminal {
  /** Resolves with the first group of a pattern, or the match, when the output contains it. */
  waitForOutput(pattern: RegExp): Promise<string>
  type(keys: string): void
}

/** Runs `train --open` in a terminal. */
async function trainInTerminal(
  t: ExecutionContext,
  moreArgs: readonly string[],
  env: NodeJS.ProcessEnv,
  during: (terminal: Terminal) => Promise<void>,
): Promise<{ status: number | null; text: string }> {
  const path = tempFolder(t)
  const out = join(path, 'runs', 'digits')
  const words = [
    // `exec` replaces the shell, which would otherwise receive Ctrl-C, too, and set the exit status.
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
      ...moreArgs,
    ],
  ]
  const child = spawn('script', ['-qefc', words.join(' '), '/dev/null'], {
    cwd: ROOT,
    env: { ...process.env, DISPLAY: '', WAYLAND_DISPLAY: '', CI: undefined, ...env },
  })
  t.teardown(() => child.kill())
  let text = ''
  const checks = new Set<() => void>()
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    text += chunk
    for (const check of checks) check()
  })
  const status = new Promise<number | null>((resolve) => child.on('close', resolve))
  const waitForOutput = (pattern: RegExp) =>
    new Promise<string>((resolve) => {
      const check = () => {
        const match = pattern.exec(text)
        if (match) resolve(match[1] ?? match[0])
      }
      checks.add(check)
      check()
    })
  const type = (keys: string) => child.stdin.write(keys)
  await Promise.race([during({ waitForOutput, type }), status])
  return { status: await status, text }
}

const CTRL_C = '\x03'

test('in a terminal, the dashboard of train --open stays available until Ctrl-C, with exit status 0', async (t) => {
  let runs = ''
  const { status, text } = await trainInTerminal(
    t,
    ['budget.steps=4'],
    {},
    async ({ waitForOutput, type }) => {
      const url = await waitForOutput(/the dashboard stays available until Ctrl-C: (http:\S+)/)
      const { port } = new URL(url)
      const page = { url, port: Number(port) }
      runs = (await send(page, '/api/runs', { headers: { cookie: await login(page) } })).body
      type(CTRL_C)
    },
  )
  t.is(status, 0, text)
  t.like(JSON.parse(runs).runs[0], { id: 'digits', state: 'ended' })
  t.regex(text, /start it again with `(npx )?residual dashboard .*runs`/)
})

test('the dashboard closes after Ctrl-C during the run, in CI, and with --json', async (t) => {
  const stopped = await trainInTerminal(
    t,
    ['epochs=100000'],
    {},
    async ({ waitForOutput, type }) => {
      await waitForOutput(/epoch {2}/)
      type(CTRL_C)
    },
  )
  t.is(stopped.status, 130, stopped.text)
  const ci = await trainInTerminal(t, ['budget.steps=4'], { CI: 'true' }, async () => {})
  const json = await trainInTerminal(t, ['budget.steps=4', '--json'], {}, async () => {})
  for (const { status, text } of [ci, json]) t.is(status, 0, text)
  for (const { text } of [stopped, ci, json]) t.notRegex(text, /stays available/)
})
