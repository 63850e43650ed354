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
  train) mkdir -p "$RUN" && echo '{}' > "$RUN/config.json" && exit "\${TRAIN_STATUS:-0}" ;;
  eval) echo '{"accuracy": 0.85}' ;;
esac
`

function setUp(t: ExecutionContext) {
  const folder = tempFolder(t)
  mkdirSync(join(folder, 'bin'))
  writeFileSync(join(folder, 'bin', 'npx'), NPX, { mode: 0o755 })
  return (args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
    writeFileSync(join(folder, 'commands'), '')
    const path = `${join(folder, 'bin')}${delimiter}${process.env.PATH}`
    const script = `sh "$SCRIPT" "$@"; status=$?; cat commands; exit $status`
    const { status, stdout } = spawnSync('sh', ['-c', script, 'sh', ...args], {
      cwd: folder,
      encoding: 'utf8',
      env: {
        ...process.env,
        ...{ PATH: path, RUN: 'runs/my ci', SCRIPT: join(ROOT, 'examples', 'ci', 'train.sh') },
        ...env,
      },
    })
    return { status, lines: stdout.trim().split('\n') }
  }
}

test('trains, reports and evaluates, and resumes in the next call', (t) => {
  const run = setUp(t)
  t.deepEqual(run(['my photos'], { MIN_ACCURACY: '0.85' }), {
    status: 0,
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
  const run = setUp(t)
  t.is(run(['photos']).status, 1)
  t.deepEqual(setUp(t)(['photos'], { TRAIN_STATUS: '143' }), {
    status: 143,
    lines: ['--no residual train photos --out runs/my ci'],
  })
  t.is(run([]).status, 2)
})
