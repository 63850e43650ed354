import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import {
  evaluate,
  exportModel,
  loadModel,
  predict,
  type ResidualError,
  report,
  train,
  verify,
} from 'residual'
import { residual } from '../../child.js'
import { pixels, png, tinyConfig } from '../../tiny.js'

/** Inverts a bit of a file at a fraction of its length. */
function flipBit(file: string, fraction: number): void {
  const bytes = readFileSync(file)
  const at = Math.floor(bytes.length * fraction)
  bytes[at] = (bytes[at] as number) ^ 4
  writeFileSync(file, bytes)
}

async function trainedRun(t: ExecutionContext) {
  const { dir, last } = await train(tinyConfig(t, { checkpoint: { everyEpochs: 1 } }))
  return { dir, last, best: join(dir, 'checkpoints', 'best.safetensors') }
}

test('verify checks every file of a run and names the damaged tensor', async (t) => {
  const { dir, last } = await trainedRun(t)
  const intact = await verify(dir)
  t.true(intact.ok, JSON.stringify(intact))
  t.is(intact.files.filter(({ file }) => file.startsWith('checkpoints/')).length, 4)
  t.true(intact.files.some(({ file }) => file === 'metrics.jsonl'))

  flipBit(last, 0.9)
  writeFileSync(join(dir, 'result.json'), '{"stopReason":')
  const { status, stdout } = await residual(['verify', dir])
  t.is(status, 4)
  t.regex(
    stdout,
    /^checkpoints\/last\.safetensors +damaged +[\d.]+ kB +`[\w.]+` does not match its checksum$/m,
  )
  t.regex(stdout, /^result\.json +damaged .* {2}cut off$/m)
  t.regex(stdout, /^checkpoints\/best\.safetensors +ok .*epoch \d, step \d+, \d+ tensors$/m)
  const json = await residual(['verify', dir, '--json'])
  t.false(JSON.parse(json.stdout).ok)
})

test('a damaged file is an error for every function that reads it', async (t) => {
  const { dir, best } = await trainedRun(t)
  const exported = join(dir, 'weights.safetensors')
  await exportModel(dir, exported)
  t.is((await verify(exported)).files[0]?.status, 'ok')
  for (const file of [best, exported]) {
    for (const fraction of [0.02, 0.5, 0.8, 0.999]) {
      const damaged = `${file}-damaged.safetensors`
      copyFileSync(file, damaged)
      flipBit(damaged, fraction)
      for (const use of [
        () => predict(damaged, png(pixels(0))),
        () => evaluate(damaged),
        () => exportModel(damaged, join(dir, 'x.onnx')),
        () => train(tinyConfig(t, { model: { arch: 'resnet8', weights: damaged } })),
      ]) {
        const error = await t.throwsAsync<ResidualError>(async () => await use())
        t.is(error?.code, 'E_CHECKPOINT')
        t.true(error?.message.includes(damaged), error?.message)
      }
      rmSync(damaged)
    }
  }
})

test.serial('a damaged best checkpoint is replaced by the last one, with a warning', async (t) => {
  const { dir, best } = await trainedRun(t)
  flipBit(best, 0.6)
  await using model = await loadModel(dir)
  t.true(model.info.checkpoint.endsWith('last.safetensors'))
  t.regex(model.info.warnings[0] ?? '', /best\.safetensors is damaged.*last\.safetensors/)
  const { status, stderr } = await residual(['export', dir, join(dir, 'x.onnx')])
  t.is(status, 0)
  t.regex(stderr, /^warning: .*best\.safetensors is damaged.*is used instead \(E_CHECKPOINT\)$/m)
})

test('a report takes the configuration from a checkpoint if config.json is damaged', async (t) => {
  const { dir } = await trainedRun(t)
  writeFileSync(join(dir, 'config.json'), '{ "data": { "sou')
  writeFileSync(join(dir, 'metrics.jsonl'), '{"time":1,"type":"st')
  const { file } = await report(dir)
  t.regex(readFileSync(file, 'utf8'), /the configuration is that of last\.safetensors/)
})
