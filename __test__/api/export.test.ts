import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { exportModel, loadModel, type Model, ResidualError, train } from 'residual'
import { pixels, tempFolder, tinyConfig } from '../tiny.js'

const SIDE = 8

/** Creates images of all classes, as pixels and as input of the network. */
function images(model: Model, count: number, mean: number, std: number) {
  const grayImages = Array.from({ length: count }, (_, index) => pixels(index % 3, index))
  return {
    raw: grayImages.map((data) => ({ data, width: SIDE, height: SIDE, channels: 1 }) as const),
    input: new Tensor(
      'float32',
      Float32Array.from(Buffer.concat(grayImages), (value) => (value / 255 - mean) / std),
      [count, model.info.channels, SIDE, SIDE],
    ),
  }
}

/** Returns the normalization constants in the metadata of a file. */
function normalization(onnx: string): { mean: number; std: number } {
  // The metadata are JSON texts with a unique prefix.
  const text = readFileSync(onnx, 'latin1')
  const number = (key: string) =>
    Number(new RegExp(`${key}\\x12.\\[([\\d.]+)\\]`, 's').exec(text)?.[1])
  return { mean: number('mean'), std: number('std') }
}

/** Returns the logarithms of probabilities. */
function logSoftmax(logits: readonly number[]): number[] {
  const max = Math.max(...logits)
  const logSum = Math.log(logits.reduce((total, logit) => total + Math.exp(logit - max), 0))
  return logits.map((logit) => logit - max - logSum)
}

test('onnxruntime matches the predictions for one image and for three', async (t) => {
  const { dir } = await train(tinyConfig(t))
  const path = join(dir, 'x.onnx')
  await using model = await loadModel(dir)
  await model.export(path)
  const { mean, std } = normalization(path)
  t.true(mean > 0 && std > 0)

  const session = await InferenceSession.create(path)
  t.deepEqual([session.inputNames, session.outputNames], [['images'], ['logits']])
  for (const count of [1, 3]) {
    const { raw, input } = images(model, count, mean, std)
    const { logits } = await session.run({ images: input })
    t.deepEqual(logits?.dims, [count, 3])
    const exported = Array.from(logits?.data as Float32Array)
    const predictions = await model.predict(raw, { top: 3 })
    for (const [index, prediction] of predictions.entries()) {
      const row = exported.slice(3 * index, 3 * index + 3)
      for (const { index: k, probability } of prediction.top) {
        t.true(Math.abs((logSoftmax(row)[k] as number) - Math.log(probability)) < 1e-4)
      }
    }
  }
})

test('an ONNX file with softmax and normalization maps pixels to probabilities', async (t) => {
  const { dir } = await train(tinyConfig(t))
  const path = join(dir, 'x.onnx')
  // An export needs only the checkpoint, not libtorch.
  await exportModel(dir, path, { softmax: true, normalization: true })
  await using model = await loadModel(dir)
  const { raw, input } = images(model, 3, 0, 1)
  const session = await InferenceSession.create(path)
  const { probabilities } = await session.run({ images: input })
  for (const [index, prediction] of (await model.predict(raw, { top: 3 })).entries()) {
    for (const { index: k, probability } of prediction.top) {
      const exported = probabilities?.data[3 * index + k] as number
      t.true(Math.abs(exported - probability) < 1e-5)
    }
  }
})

test('exported weights load as a model with the same predictions', async (t) => {
  const { dir, best } = await train(tinyConfig(t))
  const path = join(dir, 'x.safetensors')
  await exportModel(dir, path)
  t.true(statSync(path).size < statSync(best?.checkpoint ?? '').size)
  await using model = await loadModel(dir)
  await using exported = await loadModel(path)
  t.deepEqual(exported.info.classes, model.info.classes)
  const { raw } = images(model, 3, 0, 1)
  t.deepEqual(await exported.predict(raw), await model.predict(raw))

  const exportedAgain = join(dir, 'y.safetensors')
  await exported.export(exportedAgain)
  t.deepEqual(readFileSync(exportedAgain), readFileSync(path))
})

test('onnxruntime matches plain, pre-activation and grouped networks', async (t) => {
  for (const arch of ['plain8', 'preresnet8', 'resnext50_32x4d']) {
    const { dir } = await train(
      tinyConfig(t, {
        model: arch,
        budget: { steps: 1 },
        epochs: 1,
        optimizer: { type: 'sgd', lr: 0.001 },
      }),
    )
    const path = join(dir, 'x.onnx')
    await exportModel(dir, path, { normalization: true })
    const session = await InferenceSession.create(path)
    await using model = await loadModel(dir)
    const side = model.info.imageSize
    const data = Buffer.from(Array.from({ length: side * side }, (_, at) => (at * 37) % 251))
    const input = Float32Array.from(data, (value) => value / 255)
    const { logits } = await session.run({
      images: new Tensor('float32', input, [1, 1, side, side]),
    })
    const logProbabilities = logSoftmax(Array.from(logits?.data as Float32Array))
    const prediction = await model.predict(
      { data, width: side, height: side, channels: 1 },
      { top: 3 },
    )
    for (const { index, probability } of prediction.top) {
      t.true(Math.abs((logProbabilities[index] as number) - Math.log(probability)) < 1e-3, arch)
    }
  }
})

test('converts a PyTorch file to ONNX', async (t) => {
  const source = fileURLToPath(
    new URL('../../../../crates/weights/tests/fixtures/zip.pth', import.meta.url),
  )
  const path = join(tempFolder(t), 'x.onnx')
  await exportModel(source, path)
  await using model = await loadModel(source)
  const session = await InferenceSession.create(path)
  const { channels, imageSize, classes } = model.info
  const dims = [2, channels, imageSize, imageSize]
  const input = new Float32Array(dims.reduce((product, n) => product * n))
  const { logits } = await session.run({ images: new Tensor('float32', input, dims) })
  t.deepEqual(logits?.dims, [2, classes.length])
})

test('rejects another extension before reading the model', async (t) => {
  const path = join(tempFolder(t), 'x.pt')
  const error = await t.throwsAsync(exportModel('no/such/run', path), {
    instanceOf: ResidualError,
  })
  t.is(error?.code, 'E_USAGE')
  t.regex(error?.hint ?? '', /\.safetensors or \.onnx/)
  const missing = exportModel('no/such/run', join(tempFolder(t), 'x.onnx'))
  t.is((await t.throwsAsync(missing, { instanceOf: ResidualError }))?.code, 'E_CHECKPOINT')
})
