import { join } from 'node:path'
import test from 'ava'
import { residual } from '../child.js'
import { ask, login, served } from '../dashboard/ask.js'
import { makeRun } from '../report/made.js'
import { folder, idxData } from '../tiny.js'

test('the live page is served until Ctrl-C, at the address on stdout', async (t) => {
  const parent = folder(t)
  makeRun(parent, { name: 'photos' })
  let runs = ''
  const { status, stdout, stderr } = await residual(['dashboard', parent, '--json', '--no-open'], {
    during: async (child) => {
      const page = JSON.parse(await child.saysLine())
      runs = (await ask(page, '/api/runs', { headers: { cookie: await login(page) } })).body
      child.kill('SIGINT')
    },
  })
  t.is(JSON.parse(runs).runs[0].id, 'photos')
  t.is(status, 130, stderr)
  t.is(stdout.split('\n').length, 2)
  t.regex(stderr, /shows the runs in .*; Ctrl-C ends it/)
})

test('a port that is taken is an error with a hint, not a stack', async (t) => {
  const { port } = await served(t, folder(t))
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
})
