/** Tests of examples/ci/train.sh, with a stand-in for the `residual` command. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { ROOT } from '../child.js'
import { tempFolder } from '../tiny.js'

/** Records its arguments, creates the run and answers `eval`. */
const NPX = `#!/bin/sh
echo "$*" >> commands
case "$3" in
  train)
    for run; do :; done # the last argument
    mkdir -p "$run" && echo '{}' > "$run/config.json" && exit "\${TRAIN_STATUS:-0}" ;;
  eval) echo '{"accuracy": 0.85}' ;;
esac
`

function setUp(t: ExecutionContext) {
  const folder = tempFolder(t)
  mkdirSync(join(folder, 'bin'))
  writeFileSync(join(folder, 'bin', 'npx'), NPX, { mode: 0o755 })
  const run = (args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
    writeFileSync(join(folder, 'commands'), '')
    const path = `${join(folder, 'bin')}${delimiter}${process.env.PATH}`
    const script = `sh "$SCRIPT" "$@"; status=$?; cat commands; exit $status`
    const { status, stdout, stderr } = spawnSync('sh', ['-c', script, 'sh', ...args], {
      cwd: folder,
      encoding: 'utf8',
      env: {
        ...process.env,
        ...{ PATH: path, RUN: 'runs/my ci', SCRIPT: join(ROOT, 'examples', 'ci', 'train.sh') },
        ...env,
      },
    })
    return { status, lines: stdout.trim().split('\n'), stderr }
  }
  return { folder, run }
}

test('trains, reports and evaluates, and resumes in the next call', (t) => {
  const { run } = setUp(t)
  t.deepEqual(run(['my photos'], { MIN_ACCURACY: '0.85' }), {
    status: 0,
    stderr: '',
    lines: [
      'accuracy 0.85, required 0.85',
      '--no residual train my photos --out runs/my ci',
      '--no residual report runs/my ci',
      '--no residual eval runs/my ci --json',
    ],
  })
  const { lines } = run(['my photos'], { MIN_ACCURACY: '0.85' })
  t.is(lines[1], '--no residual train --resume runs/my ci')
})

test('fails below the required accuracy, and with the status of a run that fails', (t) => {
  const { run } = setUp(t)
  t.is(run(['photos']).status, 1)
  t.deepEqual(setUp(t).run(['photos'], { TRAIN_STATUS: '143' }), {
    status: 143,
    stderr: '',
    lines: ['--no residual train photos --out runs/my ci'],
  })
  t.is(run([]).status, 2)
})

test('each commit has a folder of its own, and a failed resume says what to do', (t) => {
  const { folder, run } = setUp(t)
  const env = { RUN: '', MIN_ACCURACY: '0.85', GIT_CEILING_DIRECTORIES: folder }
  t.is(run(['photos'], env).lines[1], '--no residual train photos --out runs/ci-local')
  const git = (...args: string[]) =>
    spawnSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { cwd: folder })
  git('init')
  const commits = ['first', 'second'].map((message) => {
    git('commit', '--allow-empty', '--no-gpg-sign', '--message', message)
    const commit = String(git('rev-parse', '--short=12', 'HEAD').stdout).trim()
    const train = `--no residual train photos --out runs/ci-${commit}`
    t.is(run(['photos'], env).lines[1], train)
    return commit
  })
  t.is(new Set(commits).size, 2)
  const { status, lines, stderr } = run(['photos'], { ...env, TRAIN_STATUS: '2' })
  t.is(status, 2)
  t.deepEqual(lines, [`--no residual train --resume runs/ci-${commits[1]}`])
  t.regex(stderr, /delete the folder or set RUN/)
})
