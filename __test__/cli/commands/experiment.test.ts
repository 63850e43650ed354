import { existsSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { DegradationResult, ExperimentEvent, RepeatResult } from 'residual'
import { residual } from '../../child.js'
import { idxData, tempFolder } from '../../tiny.js'

const QUICK = ['batchSize=12', 'precision=fp32', 'threads=1', 'workers=1']

function createPaths(t: ExecutionContext) {
  const parent = tempFolder(t)
  return { data: idxData(parent), out: join(parent, 'experiment') }
}

function parseLines(stdout: string): (ExperimentEvent | ({ type: 'result' } & RepeatResult))[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

test('repeat prints the table to stdout and progress to stderr', async (t) => {
  const { data, out } = createPaths(t)
  const words = ['experiment', 'repeat', data, '--model', 'resnet8', '--seeds', '2']
  const args = [...words, '--epochs', '1', '--out', out, ...QUICK]
  const { status, stdout, stderr } = await residual(args)
  t.is(status, 0, stderr)
  t.regex(stdout, /^\| mean \| \d+\.\d\d ± /m)
  t.true(stdout.startsWith(readFileSync(join(out, 'table.md'), 'utf8')))
  t.regex(stderr, /^2\/2 seed1$/m)
  t.is(stderr.match(/^epoch 1\/1 /gm)?.length, 2)

  const again = await residual([...args, '--json'])
  t.is(again.stderr, '')
  const events = parseLines(again.stdout)
  t.deepEqual(
    events.map(({ type }) => type),
    ['member', 'member', 'result'],
  )
})

test('degradation saves at Ctrl-C, and the same command resumes', async (t) => {
  const { data, out } = createPaths(t)
  const words = ['experiment', 'degradation', '--data', data, '--depths', '8,14']
  const args = [...words, '--budget', '40', '--out', out, 'data.validation=0.25', ...QUICK]
  const { status, stderr } = await residual(args, {
    async during(child) {
      await child.waitForOutput('2/4 resnet8')
      await child.waitForOutput('step ')
      child.kill('SIGINT')
    },
  })
  t.is(status, 130, stderr)
  t.regex(stderr, /saving a checkpoint/)
  t.regex(stderr, /Repeat the same call or command to resume/)
  t.false(existsSync(join(out, 'table.md')))

  const resumed = await residual([...args, '--json'])
  t.is(resumed.status, 0, resumed.stderr)
  const events = parseLines(resumed.stdout)
  const states = events.flatMap((event) => (event.type === 'member' ? [event.state] : []))
  t.is(states[0], 'reused')
  t.deepEqual(states.slice(2), ['new', 'new'])
  const result = events.at(-1) as unknown as DegradationResult
  t.is(result.networks.length, 4)
  t.true(existsSync(result.figure.png))
  const config = JSON.parse(
    readFileSync(join(result.networks[0]?.runs[0] ?? '', 'config.json'), 'utf8'),
  )
  t.like(config.schedule, { unit: 'step', milestones: [20, 30] })
})

test('ensemble prints the errors of its members and of the ensemble', async (t) => {
  const { data, out } = createPaths(t)
  const words = ['experiment', 'repeat', data, '--model', 'resnet8', '--seeds', '2', '--quiet']
  const trained = await residual([...words, '--epochs', '1', '--out', out, ...QUICK])
  t.is(trained.status, 0, trained.stderr)
  const runs = [join(out, 'runs', 'seed0'), join(out, 'runs', 'seed1')]
  const { status, stdout, stderr } = await residual(['experiment', 'ensemble', ...runs])
  t.is(status, 0, stderr)
  t.regex(stdout, /^model +top-1 error +top-5 error +loss$/m)
  for (const run of runs) t.true(stdout.includes(`\n${run} `))
  t.regex(stdout, /^ensemble of 2 +\d+\.\d % /m)
  t.regex(stdout, /^24 images$/m)
  const json = await residual(['experiment', 'ensemble', ...runs, '--split', 'train', '--json'])
  t.is(JSON.parse(json.stdout).members.length, 2)

  // `runs/*` contains the latest run twice.
  const latest = join(out, 'latest')
  symlinkSync(runs[1] as string, latest)
  const glob = await residual(['experiment', 'ensemble', latest, ...runs, '--json'])
  t.is(JSON.parse(glob.stdout).members.length, 2)
})

test('experiments report errors like other commands', async (t) => {
  const { data, out } = createPaths(t)
  const cases: [string[], RegExp][] = [
    [['degradation', data, '--depths', '21'], /`?depths`?|21 layers/],
    [['degradation', data, '--depths', '20,x'], /"x" layers/],
    [['degradation', data, '--out', out, 'optimiser.lr=1'], /Did you mean `optimizer`\?/],
    [['repeat', data, '--seeds', 'many'], /`seeds` must be a whole number/],
    [['repeat'], /no data set is given/],
    [[], /Usage: residual experiment/],
  ]
  for (const [args, message] of cases) {
    const { status, stdout, stderr } = await residual(['experiment', ...args])
    t.is(status, 2, args.join(' '))
    t.regex(stderr, message)
    t.is(stdout, '')
  }
})
