import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import type { RunEvent } from 'residual'
import { ROOT, residual } from '../../child.js'
import { idxData, imageFolder, tempFolder } from '../../tiny.js'

/** Returns the arguments of a run that takes about a second, and its folder. */
function shortRun(t: ExecutionContext, ...more: string[]) {
  const parent = tempFolder(t)
  const out = join(parent, 'run')
  const args = [
    ...['train', idxData(parent), '--model', 'resnet8', '--epochs', '2', '--out', out],
    ...['batchSize=12', 'precision=fp32', 'threads=1', 'workers=1', '--no-report', ...more],
  ]
  return { out, args, parent }
}

/** Returns the arguments of a run that does not end by itself. */
const endlessRun = (t: ExecutionContext) => shortRun(t, 'epochs=100000')

function events(stdout: string): RunEvent[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

test('without a terminal, prints one line per epoch to stderr and the result to stdout', async (t) => {
  const { args, out } = shortRun(t)
  const { status, stdout, stderr } = await residual(args)
  t.is(status, 0, stderr)
  t.is(stderr.match(/^epoch [12]\/2 {2}loss \d/gm)?.length, 2)
  t.false(stderr.includes('\x1b'))
  t.regex(stdout, /^test accuracy +\d+\.\d % \(24 images\)$/m)
  t.true(stdout.includes(join(out, 'checkpoints', 'best.safetensors')))
  t.true(existsSync(join(out, 'result.json')))
})

test('--json prints one event per line and nothing else', async (t) => {
  const { args } = shortRun(t, '--json')
  const { status, stdout, stderr } = await residual(args)
  t.is(status, 0)
  t.is(stderr, '')
  const types = events(stdout).map((event) => event.type)
  t.is(types.at(0), 'start')
  t.is(types.at(-1), 'end')
  t.is(types.filter((type) => type === 'epoch').length, 2)
})

test('the result names the number of images that could not be decoded', async (t) => {
  const parent = tempFolder(t)
  const photos = imageFolder(parent, ['ant', 'bee', 'fly'])
  const damaged = ['0', '3', '5'].map((name) => join(photos, 'ant', `${name}.png`))
  for (const file of damaged) writeFileSync(file, readFileSync(file).subarray(0, 60))
  writeFileSync(join(photos, 'bee', 'photo.heic'), '\0\0\0\x18ftypheic\0\0\0\0mif1heic')
  const settings = ['--epochs', '1', '--model', 'resnet8', 'threads=1', 'workers=1', '--no-report']
  const out = ['--out', join(parent, 'run'), 'data.validation=0']
  const { status, stdout, stderr } = await residual(['train', photos, ...settings, ...out])
  t.is(status, 0, stderr)
  t.regex(stdout, /^images used +21 of 24 training images; the others could not be decoded$/m)
  t.regex(stderr, /photo\.heic is a HEIC image.*; skipped \(E_IMAGE\)/)
  t.is(stderr.match(/\.png is damaged.*; skipped \(E_IMAGE\)/g)?.length, 3)
})

test('--quiet prints only the result', async (t) => {
  const { status, stdout, stderr } = await residual(shortRun(t, '--quiet').args)
  t.is(status, 0)
  t.is(stderr, '')
  t.regex(stdout, /^run folder/m)
})

/** Runs the command in a terminal and returns its output, also without control sequences. */
function inTerminal(args: readonly string[], columns: number, more: NodeJS.ProcessEnv) {
  const program = [process.execPath, 'dist/cli/main.js', ...args].join(' ')
  // With CI set, the command would not redraw its progress line.
  const env = { ...process.env, TERM: 'xterm-256color', CI: undefined, FORCE_COLOR: undefined }
  const { status, stdout } = spawnSync(
    'script',
    ['-qec', `stty cols ${columns} rows 30; ${program}`, '/dev/null'],
    { cwd: ROOT, env: { ...env, NO_COLOR: undefined, ...more } },
  )
  const raw = stdout.toString()
  return { status, raw, lines: stripVTControlCharacters(raw).split(/\r?\n/) }
}

test('a terminal shows a progress line below the epochs, in color unless NO_COLOR is set', (t) => {
  for (const NO_COLOR of ['', '1']) {
    const { status, raw, lines } = inTerminal(shortRun(t).args, 100, { NO_COLOR })
    t.is(status, 0, raw)
    t.regex(lines.join('\n'), /epoch 1\/2 {2}[━─]+ {2}\d\/8 {2}loss \d.* eta \d:\d\d/)
    t.regex(lines.join('\n'), /^epoch +loss +acc +val loss +val acc +lr +img\/s +time$/m)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: matches color codes
    t.is(/\x1b\[\d+m/.test(raw), NO_COLOR === '')
  }
})

test('a narrow terminal shows the most important columns in one row', (t) => {
  const { status, lines } = inTerminal(shortRun(t).args, 44, {})
  t.is(status, 0)
  const rows = lines.filter((line) => /^epoch|^ +[12]\/2/.test(line))
  t.true(rows.length >= 3, lines.join('\n'))
  for (const row of rows) t.true(row.length <= 44, row)
  t.true(
    rows.some((row) => /^epoch 1\/2 .*loss \d.*eta/.test(row)),
    rows.join('\n'),
  )
  t.true(
    rows.some((row) => /^epoch .*val acc/.test(row)),
    rows.join('\n'),
  )
})

test('a CI log and a dumb terminal have no progress line', (t) => {
  for (const env of [{ CI: 'true' }, { TERM: 'dumb' }]) {
    const { status, lines } = inTerminal(shortRun(t).args, 100, env)
    t.is(status, 0)
    t.is(lines.filter((line) => /^epoch [12]\/2 {2}loss \d/.test(line)).length, 2)
    t.false(lines.some((line) => /━/.test(line)))
  }
})

test('flags take precedence over the file, and overrides over flags', async (t) => {
  const { args, parent } = shortRun(t, '--json', 'optimizer.lr=0.02', 'seed=3', 'budget.epochs=1')
  const file = join(parent, 'run.yaml')
  writeFileSync(
    file,
    `
    seed: 1
    batchSize: 24
    model: { arch: resnet14, zeroInitResidual: true }
    optimizer: { type: sgd, lr: 0.5, momentum: 0.8 }
    schedule: constant
    epochs: 7
    `,
  )
  const { status, stdout, stderr } = await residual([...args, '--config', file])
  t.is(status, 0, stderr)
  const [start] = events(stdout)
  if (start?.type !== 'start') throw new TypeError('no start')
  const { config } = start
  t.is(config.seed, 3)
  t.is(config.batchSize, 12)
  t.deepEqual([config.model.arch, config.model.zeroInitResidual], ['resnet8', true])
  t.like(config.optimizer, { type: 'sgd', lr: 0.02, momentum: 0.8 })
  t.is(config.schedule.type, 'constant')
  t.is(config.epochs, 1)
})

test('the config.json of a run repeats it', async (t) => {
  const { args, out, parent } = shortRun(t, '--json')
  const first = await residual(args)
  const config = join(out, 'config.json')
  const again = join(parent, 'again')
  const second = await residual([
    ...['train', '--config', config, '--out', again, '--json', '--no-report'],
  ])
  t.is(second.status, 0, second.stderr)
  const losses = (stdout: string) =>
    events(stdout).flatMap((event) => (event.type === 'epoch' ? [event.train.loss] : []))
  t.deepEqual(losses(second.stdout), losses(first.stdout))
})

for (const [signal, expected] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`${signal} saves a checkpoint, from which the run can be resumed`, async (t) => {
    const { args, out } = endlessRun(t)
    const { status, stderr, stdout } = await residual(args, {
      async during(child) {
        await child.waitForOutput('epoch  ')
        child.kill(signal)
      },
    })
    t.is(status, expected)
    t.regex(stderr, /saving a checkpoint/)
    // The run may be stopped at the end of an epoch, too.
    t.regex(stdout, /^status +stopped (in|after) .*epochs? .*at step \d.* of [\d,]+, 0:/m)
    const { epochs } = JSON.parse(readFileSync(join(out, 'result.json'), 'utf8'))
    const more = ['train', '--resume', out, `--epochs=${epochs + 1}`, '--json']
    const resumed = await residual(more)
    t.is(resumed.status, 0, resumed.stderr)
    const last = events(resumed.stdout).at(-1)
    t.is(last?.type === 'end' && last.result.epochs, epochs + 1)
  })
}

test('a second signal ends the process immediately', async (t) => {
  const { args } = endlessRun(t)
  const { signal, status } = await residual(args, {
    async during(child) {
      await child.waitForOutput('epoch  ')
      child.kill('SIGSTOP') // so that both signals are pending when it continues
      child.kill('SIGINT')
      child.kill('SIGTERM')
      child.kill('SIGCONT')
    },
  })
  t.is(status, null)
  t.true(signal === 'SIGINT' || signal === 'SIGTERM')
})

test('a closed stdout saves and ends the run', async (t) => {
  const { args, out } = endlessRun(t)
  const { status, stderr } = await residual([...args, '--json'], {
    async during(child) {
      await child.waitForOutput('"type":"epoch"')
      child.closeStdout()
    },
  })
  t.is(status, 141)
  t.is(stderr, '')
  t.true(existsSync(join(out, 'checkpoints', 'last.safetensors')))
})
