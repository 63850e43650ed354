import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { ResidualError } from 'residual'
import { readRunFolder } from '#dist/run-folder/run-folder.js'
import { tempFolder } from '../tiny.js'
import { writeSampleRun } from './sample-run.js'

test('reads a complete run folder, also through a symbolic link', async (t) => {
  const parent = tempFolder(t)
  const dir = writeSampleRun(parent, { name: 'photos', epochs: 3, stepsPerEpoch: 5 })
  symlinkSync(dir, join(parent, 'latest'))
  const run = await readRunFolder(join(parent, 'latest'))
  t.is(run.name, 'photos')
  t.deepEqual(
    run.epochs.map(({ epoch }) => epoch),
    [1, 2, 3],
  )
  t.is(run.steps.length, 15)
  t.is(run.result?.stopReason, 'completed')
  t.is(run.start?.data.classes.length, 3)
  t.deepEqual(run.issues, [])
})

test('does not wait for named pipes', async (t) => {
  for (const name of ['config.json', 'environment.json', 'metrics.jsonl', 'result.json']) {
    const dir = writeSampleRun(tempFolder(t))
    rmSync(join(dir, name))
    execFileSync('mkfifo', [join(dir, name)])
    const run = await readRunFolder(dir)
    t.is(run.issues.length, name === 'config.json' || name === 'metrics.jsonl' ? 1 : 0, name)
  }
})

test('rejects a path that is not a run folder, with a hint', async (t) => {
  const parent = tempFolder(t)
  const createFolder = (name: string, config?: string) => {
    mkdirSync(join(parent, name))
    if (config !== undefined) writeFileSync(join(parent, name, 'config.json'), config)
  }
  createFolder('empty')
  createFolder('truncated', '{ "data": {')
  createFolder('other', '{ "compilerOptions": {} }')
  writeFileSync(join(parent, 'file'), '')
  for (const name of ['empty', 'truncated', 'other', 'file', 'missing']) {
    const error = await t.throwsAsync(readRunFolder(join(parent, name)), {
      instanceOf: ResidualError,
      code: 'E_CHECKPOINT',
    })
    t.true(error?.message.includes(name), error?.message)
    t.regex(error?.hint ?? '', /config\.json/)
  }
})

test('reads metrics up to a truncated last line, and reports it', async (t) => {
  const dir = writeSampleRun(tempFolder(t), { epochs: 3 })
  const file = join(dir, 'metrics.jsonl')
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, text.slice(0, -40))
  const { epochs, issues } = await readRunFolder(dir)
  t.is(epochs.length, 2)
  t.is(issues.length, 1)
  t.regex(issues[0] ?? '', /truncated/)
})

test('an empty log is reported', async (t) => {
  const dir = writeSampleRun(tempFolder(t))
  writeFileSync(join(dir, 'metrics.jsonl'), '')
  const { epochs, issues } = await readRunFolder(dir)
  t.is(epochs.length, 0)
  t.deepEqual(issues, ['metrics.jsonl is empty: the run has no history.'])
})

test('a run whose log is a folder is read without its history', async (t) => {
  const dir = writeSampleRun(tempFolder(t))
  rmSync(join(dir, 'metrics.jsonl'))
  mkdirSync(join(dir, 'metrics.jsonl'))
  const { epochs, config, issues } = await readRunFolder(dir)
  t.is(epochs.length, 0)
  t.is(config.batchSize, 128)
  t.regex(issues[0] ?? '', /^metrics\.jsonl is not a file: the run has no history/)
})

test('ignores invalid lines, and reads null as NaN', async (t) => {
  const dir = writeSampleRun(tempFolder(t), { epochs: 2 })
  const invalid = [
    ...['not JSON', '[1]', '{"type":"newer"}', '{"type":"epoch","epoch":"one"}'],
    '{"type":"epoch","epoch":3,"step":30,"train":{"loss":null,"accuracy":0.5},"val":null}',
  ]
  appendFileSync(join(dir, 'metrics.jsonl'), `${invalid.join('\n')}\n`)
  const { epochs, issues } = await readRunFolder(dir)
  t.is(epochs.length, 3)
  t.is(epochs[2]?.train.loss, Number.NaN)
  t.is(epochs[2]?.val, null)
  t.deepEqual(issues, ['Skipped 2 lines of metrics.jsonl that cannot be read.'])
})

test('reads runs of a newer version and runs without metrics as far as possible', async (t) => {
  const parent = tempFolder(t)
  const newer = await readRunFolder(writeSampleRun(parent, { name: 'newer', version: '0.10.0' }))
  t.is(newer.epochs.length, 4)
  t.regex(newer.issues[0] ?? '', /0\.10\.0, which is newer/)
  const older = await readRunFolder(writeSampleRun(parent, { name: 'older', version: '0.0.9' }))
  t.deepEqual(older.issues, [])

  const withoutMetrics = join(parent, 'without-metrics')
  mkdirSync(withoutMetrics)
  const config = readFileSync(join(newer.dir, 'config.json'))
  writeFileSync(join(withoutMetrics, 'config.json'), config)
  writeFileSync(join(withoutMetrics, 'result.json'), '{}')
  const { epochs, result, issues } = await readRunFolder(withoutMetrics)
  t.is(epochs.length, 0)
  t.is(result, undefined)
  t.is(issues.length, 2)
})

test('replaces damaged files by their copies in the log, and says so', async (t) => {
  const parent = tempFolder(t)
  const intact = await readRunFolder(writeSampleRun(parent, { name: 'intact' }))
  const dir = writeSampleRun(parent, { name: 'damaged' })
  const log = join(dir, 'metrics.jsonl')
  const end = { type: 'end', result: { ...intact.result, dir } }
  appendFileSync(log, `${JSON.stringify(end)}\n`)
  for (const content of ['', '{ "stopReason": "comp', '\0'.repeat(100), '[1, 2]', 'null']) {
    writeFileSync(join(dir, 'result.json'), content)
    const run = await readRunFolder(dir)
    t.is(run.result?.stopReason, 'completed')
    t.deepEqual(run.result?.best, intact.result?.best)
    t.deepEqual(run.issues, [
      'result.json cannot be read and is ignored.',
      'The result is that of the last event of metrics.jsonl.',
    ])
  }
  // A missing result belongs to a run that was resumed, even if the log contains an earlier end.
  rmSync(join(dir, 'result.json'))
  t.is((await readRunFolder(dir)).result, undefined)

  for (const content of ['', '{ "data": {', '\0'.repeat(100)]) {
    writeFileSync(join(dir, 'config.json'), content)
    const { config, hasConfigFile, issues } = await readRunFolder(dir)
    t.is(config.batchSize, 128)
    t.false(hasConfigFile)
    t.regex(issues.join(), /config\.json cannot be read; the configuration is that of metrics/)
  }
  writeFileSync(log, '')
  await t.throwsAsync(readRunFolder(dir), { code: 'E_CHECKPOINT' })
})

test('a damaged log is read in bounded memory', async (t) => {
  const dir = writeSampleRun(tempFolder(t), { epochs: 2 })
  const log = join(dir, 'metrics.jsonl')
  const lines = readFileSync(log, 'utf8').split('\n')
  const damaged = [...lines.slice(0, 4), 'x'.repeat(20 * 2 ** 20), '{"type":"step","st', '\0\0\0']
  writeFileSync(log, [...damaged, ...lines.slice(4)].join('\n').slice(0, -10))
  const { epochs, steps, issues } = await readRunFolder(dir)
  t.is(epochs.length, 1)
  t.is(steps.length, 20)
  t.deepEqual(issues, [
    'The last line of metrics.jsonl is truncated: the run was killed while writing.',
    'Skipped 3 lines of metrics.jsonl that cannot be read.',
  ])
})
