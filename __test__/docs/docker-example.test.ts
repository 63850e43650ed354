/** Tests of examples/docker, with a stand-in for `node`. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { ROOT } from '../child.js'
import { tempFolder } from '../tiny.js'

const EXAMPLE = join(ROOT, 'examples', 'docker')

/** Prints its arguments, and creates the run, which residual refuses to do twice. */
const NODE = `#!/bin/sh
echo "$*"
case "$*" in
  *--out*) [ ! -e "$RUN/config.json" ] || exit 5; mkdir -p "$RUN" && echo '{}' > "$RUN/config.json" ;;
esac
exit "\${TRAIN_STATUS:-0}"
`

const MAIN = join(EXAMPLE, 'node_modules/residual/dist/cli/main.js')

/** Returns a function that starts the container. */
function setUp(t: ExecutionContext) {
  const folder = tempFolder(t)
  writeFileSync(join(folder, 'node'), NODE, { mode: 0o755 })
  const run = join(folder, 'my runs', 'photos')
  const start = (args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) => {
    const path = `${folder}${delimiter}${process.env.PATH}`
    const { status, stdout } = spawnSync('sh', [join(EXAMPLE, 'entrypoint.sh'), ...args], {
      encoding: 'utf8',
      env: { ...process.env, PATH: path, RUN: run, ...env },
    })
    return { status, command: stdout.trim() }
  }
  return { run, start }
}

test('a container trains, and continues its run when it is started again', (t) => {
  const { run, start } = setUp(t)
  // Stopped by `docker stop`.
  const first = start([], { TRAIN_STATUS: '143' })
  t.deepEqual(first, { status: 143, command: `${MAIN} train /data --out ${run}` })
  const second = { status: 0, command: `${MAIN} train --resume ${run}` }
  t.deepEqual(start(), second)
  t.deepEqual(start(), second)
})

test('arguments of the container are a command of residual', (t) => {
  const { start } = setUp(t)
  t.deepEqual(start(['predict', '/runs/photos', 'my cat.jpg']), {
    status: 0,
    command: `${MAIN} predict /runs/photos my cat.jpg`,
  })
})

test('the image gets all files that it starts and installs from', (t) => {
  const lines = readFileSync(join(EXAMPLE, 'Dockerfile'), 'utf8').split('\n')
  const copied = lines.flatMap(
    (line) => /^COPY (?!--from)(.*) \S+$/.exec(line)?.[1]?.split(' ') ?? [],
  )
  t.deepEqual(copied, ['package.json', 'package-lock.json', 'packages', 'entrypoint.sh'])
  t.true(
    lines.indexOf('COPY packages packages') <
      lines.findIndex((line) => line.startsWith('RUN npm install')),
  )
  t.true(lines.includes('ENTRYPOINT ["sh", "/app/entrypoint.sh"]'))
  t.true(existsSync(join(EXAMPLE, 'entrypoint.sh')))
  const ignored = readFileSync(join(EXAMPLE, '.dockerignore'), 'utf8').split('\n')
  t.false(ignored.some((name) => copied.includes(name)))
})
