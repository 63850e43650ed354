import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { residual } from '../../child.js'
import { tempFolder } from '../../tiny.js'

const COMPLETE = `
complete() { :; }
compopt() { :; }
source "$1"
COMP_LINE="$2"
COMP_POINT=\${#COMP_LINE}
_residual
printf '%s\\n' "\${COMPREPLY[@]}"
`

/** Writes the script for a shell to a file; returns undefined if the shell is not installed. */
async function completionScript(t: ExecutionContext, shell: string): Promise<string | undefined> {
  const { status, stdout, stderr } = await residual(['completion', shell])
  t.is(status, 0, stderr)
  const file = join(tempFolder(t), shell)
  writeFileSync(file, stdout)
  if (spawnSync(shell, ['-c', 'exit 0']).status === 0) return file
  t.log(`skipped: ${shell} is not installed`)
  return undefined
}

test('bash completes commands, options, names, keys and their values', async (t) => {
  const file = await completionScript(t, 'bash')
  if (file === undefined) return t.pass()
  const cwd = tempFolder(t)
  mkdirSync(join(cwd, 'photos'))
  const complete = (line: string) => {
    const { stdout, stderr } = spawnSync('bash', ['-c', COMPLETE, 'bash', file, line], { cwd })
    t.is(stderr.toString(), '')
    return stdout.toString().trimEnd().split('\n')
  }
  t.deepEqual(complete('residual tr'), ['train'])
  t.deepEqual(complete('residual data p'), ['preview'])
  t.deepEqual(complete('residual train --res'), ['--resume'])
  t.deepEqual(complete('residual train --batch'), ['--batch-size'])
  t.deepEqual(complete('residual train --device c'), ['cpu', 'cuda'])
  t.deepEqual(complete('residual train x --recipe notebo'), ['notebook'])
  t.true(complete('residual train --model ').includes('resnet18'))
  t.deepEqual(complete('residual completion z'), ['zsh'])
  t.deepEqual(complete('residual inspect wrn28'), ['wrn28_10'])
  t.true(complete('residual train ').includes('photos'))
  t.true(complete('residual train ').includes('cifar10'))
  t.true(complete('residual train x optimizer.weightD').includes('optimizer.weightDecay='))
  // The script strips the part before the equals sign.
  t.deepEqual(complete('residual train x publ'), [''], 'metadata of recipes is no setting')
  t.deepEqual(complete('residual train x precision=b'), ['bf16'])
  t.true(complete('residual train x schedule.type=').includes('cosine'))
  t.deepEqual(complete('residual train ./pho'), [''], 'bash itself completes files')
})

for (const shell of ['zsh', 'fish']) {
  test(`the script for ${shell} has no syntax errors`, async (t) => {
    const file = await completionScript(t, shell)
    if (file !== undefined) {
      const { status, stderr } = spawnSync(shell, ['-n', file])
      t.is(status, 0, stderr.toString())
    }
    t.pass()
  })
}

test('rejects an unknown shell', async (t) => {
  for (const [args, env] of [
    [['tcsh'], {}],
    [[], { SHELL: '/bin/tcsh' }],
  ] as const) {
    const { status, stderr } = await residual(['completion', ...args], { env })
    t.is(status, 2)
    t.regex(stderr, /shell 'tcsh' is not supported/)
    t.regex(stderr, /residual completion fish/)
  }
})
