import { existsSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { residual } from '../../child.js'
import { writeSampleRun } from '../../report/sample-run.js'
import { idxData, tempFolder } from '../../tiny.js'

/** Returns the arguments of a short run, and its folder. */
function trainArguments(t: ExecutionContext, ...more: string[]) {
  const parent = tempFolder(t)
  const out = join(parent, 'run')
  const args = [
    ...['train', idxData(parent), '--model', 'resnet8', '--epochs', '1', '--out', out],
    ...['batchSize=24', 'precision=fp32', 'threads=1', 'workers=1', ...more],
  ]
  return { out, args }
}

test('training ends with a report and prints its path', async (t) => {
  const { out, args } = trainArguments(t)
  const { status, stdout, stderr } = await residual(args)
  t.is(status, 0, stderr)
  const file = join(out, 'report.html')
  t.regex(stdout, new RegExp(`^report +${file}$`, 'm'))
  t.regex(readFileSync(file, 'utf8'), /Confusion matrix/)
  t.true(existsSync(join(out, 'plots', 'confusion-matrix.png')))

  // The report uses the evaluation of the run, and a later report is identical.
  t.notRegex(stderr, /evaluating/)
  const page = readFileSync(file, 'utf8')
  for (const more of [[], ['--no-evaluate']]) {
    const again = await residual(['report', out, ...more])
    t.deepEqual([again.status, again.stderr], [0, ''])
    t.is(readFileSync(file, 'utf8'), page)
  }
  rmSync(join(out, 'evaluation.json'))
  const measured = await residual(['report', out])
  t.regex(measured.stderr, /^evaluating/)
  t.regex(readFileSync(file, 'utf8'), /Confusion matrix/)
  t.regex(
    (await residual(['report', out, '--no-evaluate'])).stderr,
    /^missing sections: Confusion matrix/,
  )
})

test('a report that cannot be written causes a warning, and --no-report writes no report', async (t) => {
  const { out, args } = trainArguments(t)
  const { status, stdout, stderr } = await residual([...args, '--no-report'])
  t.is(status, 0, stderr)
  t.notRegex(stdout, /^report/m)
  t.false(existsSync(join(out, 'report.html')))

  writeFileSync(join(out, 'plots'), 'a file in the way')
  const resumed = ['train', '--resume', out, 'threads=1']
  const warned = await residual([...resumed, 'epochs=2'])
  t.is(warned.status, 0, warned.stderr)
  t.regex(warned.stderr, /^warning: the report was not written: .*plots/m)
  t.regex(warned.stdout, /^run folder/m)
  t.notRegex(warned.stdout, /^report/m)
  const quiet = await residual([...resumed, 'epochs=2', '--quiet'])
  t.regex(quiet.stderr, /^warning: the report was not written: .*\n {2}\S.*\n$/)
  const json = await residual([...resumed, 'epochs=3', '--json'])
  const events = json.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.like(events.at(-2), { type: 'warning', code: 'E_WRITE' })
  t.is(events.at(-1).type, 'end')
})

test('reports on one run and compares several', async (t) => {
  const parent = tempFolder(t)
  const runs = [
    writeSampleRun(parent, { name: 'one' }),
    writeSampleRun(parent, { name: 'two', epochs: 7 }),
  ]
  const env = { DISPLAY: '', WAYLAND_DISPLAY: '' }
  const one = await residual(['report', runs[0] as string, '--no-evaluate', '--open'], { env })
  t.is(one.status, 0, one.stderr)
  t.is(one.stdout, `${join(runs[0] as string, 'report.html')}\n`)
  t.regex(one.stderr, /^missing sections: Confusion matrix, Per-class accuracy/m)
  if (process.platform === 'linux')
    t.regex(one.stderr, /^no browser could be opened; open .*report/m)

  const out = join(parent, 'both.html')
  const both = await residual(['report', ...runs, '--out', out])
  t.is(both.status, 0, both.stderr)
  t.regex(both.stdout, /^one +resnet20 +4 +87\.5 % +90\.0 %$/m)
  t.regex(both.stdout, new RegExp(`^${out}$`, 'm'))

  // A link to a run, such as runs/latest, is not another run.
  const latest = join(parent, 'latest')
  symlinkSync(runs[1] as string, latest)
  const json = await residual(['report', ...runs, latest, '--out', out, '--json'])
  const written = JSON.parse(json.stdout)
  t.is(written.file, out)
  t.is(written.runs.length, 2)
  t.is(written.runs[1].epochs, 7)
  t.is(json.stderr, '')
})

test('rejects a path that is not a run folder', async (t) => {
  const parent = tempFolder(t)
  const { status, stderr } = await residual(['report', join(parent, 'none')])
  t.is(status, 4)
  t.regex(stderr, /none does not exist \(E_CHECKPOINT\)/)
  t.regex(stderr, /config\.json/)
})
