import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { ROOT, residual } from '../child.js'
import { idxData, tempFolder } from '../tiny.js'

/** Returns the arguments of a run on tiny images, and its folder. */
function tinyRun(t: ExecutionContext, epochs: number, ...more: string[]) {
  const parent = tempFolder(t)
  const out = join(parent, 'run')
  const args = [
    ...['train', idxData(parent), '--model', 'resnet8', '--epochs', `${epochs}`, '--out', out],
    ...['batchSize=12', 'precision=fp32', 'threads=1', 'workers=1', '--no-report', ...more],
  ]
  return { out, args, last: join(out, 'checkpoints', 'last.safetensors') }
}

/** Runs the command line in a shell with redirections or limits, such as `ulimit -n 48;`. */
async function runInShell(before: string, args: readonly string[], after = '') {
  const command = [process.execPath, join(ROOT, 'dist/cli/main.js'), ...args].join(' ')
  const child = spawn('bash', ['-c', `${before} ${command} ${after}`], { cwd: ROOT })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text
  })
  const [status, signal] = await once(child, 'close')
  return { status, signal, stdout, stderr }
}

/** Runs the command in a terminal, and sends Ctrl-C when its output contains `text`. */
async function interruptInTerminal(args: readonly string[], text: string, size: string) {
  const program = [process.execPath, 'dist/cli/main.js', ...args].join(' ')
  const { CI: _, NO_COLOR: __, FORCE_COLOR: ___, COLUMNS: ____, ...env } = process.env
  const child = spawn('script', ['-qec', `stty ${size}; ${program}`, '/dev/null'], {
    cwd: ROOT,
    env: { ...env, TERM: 'xterm-256color' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let raw = ''
  let isInterrupted = false
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    raw += chunk
    if (isInterrupted || !stripVTControlCharacters(raw).includes(text)) return
    isInterrupted = true
    child.stdin.write('\x03')
  })
  const status = await new Promise((resolve) => child.on('close', resolve))
  return { status, raw, text: stripVTControlCharacters(raw) }
}

test('a removed working directory is an error before libtorch is loaded', async (t) => {
  const { args, out } = tinyRun(t, 1)
  const folder = join(tempFolder(t), 'removed')
  const before = `mkdir ${folder}; cd ${folder}; rmdir ${folder};`
  const { status, signal, stderr } = await runInShell(before, args)
  t.deepEqual([status, signal], [3, null])
  t.regex(stderr, /^error: .*working directory of this process was removed \(E_LIBTORCH\)$/m)
  t.false(existsSync(out))
})

for (const size of ['cols 100 rows 30', 'cols 0 rows 0']) {
  test(`Ctrl-C in a terminal of ${size} leaves the result on the screen`, async (t) => {
    const { args, last, out } = tinyRun(t, 100_000)
    const { status, raw, text } = await interruptInTerminal(args, '/8  loss', size)
    t.is(status, 130, text)
    t.regex(text, /epoch +\d+\/100000 +([━─]+ +)?\d\/8 +loss/, 'shows the progress line')
    const summary = text.replace('npx residual', 'residual')
    t.true(summary.includes(`resume with    residual train --resume ${out}`), text)
    const end = raw.slice(raw.lastIndexOf('status  '))
    // biome-ignore lint/suspicious/noControlCharactersInRegex: matches cursor-up and erase-line
    t.notRegex(end, /\x1b\[\d*[AK]/, 'nothing after the result is erased')
    t.true(existsSync(last))
  })
}

for (const [signal, expected] of [
  ['SIGHUP', 129],
  ['SIGTERM', 143],
] as const) {
  test(`${signal} saves a checkpoint and exits with status ${expected}`, async (t) => {
    const { args, last } = tinyRun(t, 100_000)
    const { status, stdout, stderr } = await residual(args, {
      during: async ({ kill, waitForOutput }) => {
        await waitForOutput('epoch')
        kill(signal)
      },
    })
    t.is(status, expected, stderr)
    t.true(stderr.includes(`${signal}: saving a checkpoint`))
    t.regex(stdout, /^resume with/m)
    t.true(existsSync(last))
  })
}

test('a full disk behind stdout is an error without a stack trace', async (t) => {
  const { args, last } = tinyRun(t, 1)
  for (const command of [
    args,
    [...args, '--json', 'overwrite=true'],
    ['--help'],
    ['recipes'],
    [],
  ]) {
    const { status, stderr } = await runInShell('', command, '> /dev/full')
    t.is(status, 1, stderr)
    t.regex(stderr, /^error: the results could not be written to stdout: .*ENOSPC.*\(E_WRITE\)$/m)
    t.notRegex(stderr, /^ +at /m)
  }
  t.true(existsSync(last))
})

test('a full disk behind stderr does not end a run', async (t) => {
  const { args, last } = tinyRun(t, 1)
  const { status, stdout } = await runInShell('', args, '2> /dev/full')
  t.is(status, 0)
  t.regex(stdout, /^run folder/m)
  t.true(existsSync(last))
})

for (const limit of [48, 32]) {
  test(`a run needs fewer than ${limit} open files, and other commands name the limit`, async (t) => {
    const { args, out, last } = tinyRun(t, 1)
    const trained = await runInShell(`ulimit -n ${limit};`, args)
    t.is(trained.status, 0, trained.stderr)
    t.true(existsSync(last))
    // The charts of a report consist of more modules.
    const report = await runInShell(`ulimit -n ${limit};`, ['report', out])
    if (report.status === 0) return
    t.is(report.status, 4)
    t.regex(report.stderr, /^error: .*\(E_IO\)\n {2}Raise the limit of open files/m)
    t.notRegex(report.stderr, /^ +at /m)
  })
}

for (const megabytes of [1200, 1450, 1800, 2150]) {
  test(`a limit of ${megabytes} MB of address space is an error that names a sufficient one`, async (t) => {
    const { args, last } = tinyRun(t, 1)
    const refused = await runInShell(`ulimit -v ${1000 * megabytes};`, args)
    t.is(refused.signal, null)
    t.is(refused.status, 1, refused.stderr)
    t.regex(refused.stderr, /^error: training needs 1400 MB of address space.*\(E_MEMORY\)$/m)
    t.notRegex(refused.stderr, /^ +at /m)
    const diagnosis = await runInShell(`ulimit -v ${1000 * megabytes};`, ['doctor'])
    t.is(diagnosis.status, 3)
    t.regex(diagnosis.stdout, /^✗ address space +training needs 1400 MB of address space/m)
    const [, limit] = /`(ulimit -v \d+)`/.exec(refused.stderr) ?? []
    const trained = await runInShell(`${limit};`, args)
    t.is(trained.status, 0, trained.stderr)
    t.true(existsSync(last))
  })
}

test('too little address space for an addon is an error that names a sufficient limit', async (t) => {
  // Limits the process to 32 MB more than Node and the modules occupy.
  const program = `
    import { execFileSync } from 'node:child_process'
    import { readFileSync } from 'node:fs'
    import { train } from 'residual'
    const [, kilobytes] = /^VmSize:\\s+(\\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))
    const limit = 1024 * (Number(kilobytes) + 32_000)
    execFileSync('prlimit', ['--pid', String(process.pid), '--as=' + limit + ':'])
    try {
      await train({})
    } catch ({ code, message, hint }) {
      console.log(code, message, hint)
    }`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], { cwd: ROOT })
  let output = ''
  for await (const text of child.stdout.setEncoding('utf8')) output += text
  t.regex(output, /^E_PLATFORM the native addon needs 64 MB of address space.* leaves \d+ MB /)
  t.regex(output, /Raise the limit to at least \d{4} MB/)
})
