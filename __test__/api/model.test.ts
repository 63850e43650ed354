import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test from 'ava'
import {
  AbortError,
  evaluate,
  loadModel,
  type Prediction,
  predict,
  ResidualError,
  renderPredictions,
  train,
} from 'residual'
import { arraySplit, imageFolder, pixels, tempFolder, tinyConfig } from '../tiny.js'

test('predicts from paths, URLs, bytes and pixels', async (t) => {
  const parent = tempFolder(t)
  const photos = imageFolder(parent, ['left', 'middle', 'right'])
  const { best } = await train(tinyConfig(t, { data: { source: photos, channels: 1 }, epochs: 8 }))
  await using model = await loadModel(best?.checkpoint ?? '')
  t.deepEqual(model.info.classes, ['left', 'middle', 'right'])
  t.is(model.info.arch, 'resnet8')

  const path = join(photos, 'right', '3.png')
  const single = await model.predict(path)
  t.is(single.top.length, 3)
  t.is(single.top[0]?.label, single.label)
  t.true(Math.abs(single.top.reduce((sum, { probability }) => sum + probability, 0) - 1) < 1e-6)

  const inputs = [
    path,
    pathToFileURL(path),
    readFileSync(path),
    new Uint8Array(readFileSync(path)),
    { data: pixels(2, 3), width: 8, height: 8, channels: 1 } as const,
  ]
  const predictions = await model.predict(inputs, { top: 1 })
  for (const prediction of predictions) {
    t.is(prediction.label, single.label)
    t.true(Math.abs(prediction.probability - single.probability) < 1e-5)
    t.is(prediction.top.length, 1)
  }
  t.deepEqual(await model.predict([]), [])
  t.is((await predict(best?.checkpoint ?? '', path)).label, single.label)
})

test('concurrent predictions equal sequential ones', async (t) => {
  const { last } = await train(tinyConfig(t, { epochs: 1 }))
  await using model = await loadModel(last)
  const images = Array.from({ length: 64 }, (_, index) => {
    const data = pixels(index % 3, index)
    return { data, width: 8, height: 8, channels: 1 } as const
  })
  const sequential: Prediction[] = []
  for (const image of images) sequential.push(await model.predict(image))

  const order: number[] = []
  const concurrent = await Promise.all(
    images.map(async (image, index) => {
      const prediction = await model.predict(image)
      order.push(index)
      return prediction
    }),
  )
  t.deepEqual(order, [...images.keys()])
  for (const [index, { label, probability }] of concurrent.entries()) {
    t.is(label, (sequential[index] as Prediction).label)
    t.true(Math.abs(probability - (sequential[index]?.probability ?? 0)) < 1e-5)
  }

  const broken = Buffer.from('not an image')
  const settled = await Promise.allSettled(
    [...images.slice(0, 5), broken, ...images.slice(5, 10)].map((image) => model.predict(image)),
  )
  t.deepEqual(
    settled.flatMap(({ status }, index) => (status === 'rejected' ? [index] : [])),
    [5],
  )
  t.like(settled[5], { reason: { code: 'E_IMAGE' } })
})

test('an abort ends an evaluation', async (t) => {
  const { last } = await train(tinyConfig(t, { epochs: 1 }))
  await using model = await loadModel(last)
  const reason = new Error('the user closed the window')
  const controller = new AbortController()
  const evaluating = model.evaluate(
    { batchSize: 1, split: 'train' },
    { arrays: { train: arraySplit(100_000) }, signal: controller.signal },
  )
  setTimeout(() => controller.abort(reason), 50)
  const error = await t.throwsAsync(evaluating, { instanceOf: AbortError })
  t.is(error?.cause, reason)
  const complete = await model.evaluate({ split: 'train' }, { arrays: { train: arraySplit(30) } })
  t.is(complete.count, 30)
})

test('evaluation reproduces the metrics of training', async (t) => {
  const result = await train(tinyConfig(t))
  const evaluation = await evaluate(result.dir)
  t.is(evaluation.count, 24)
  t.is(result.test?.accuracy, evaluation.accuracy)
  t.is(evaluation.classes.length, 3)
  t.is(
    evaluation.confusion.flat().reduce((sum, count) => sum + count),
    24,
  )
  const validation = await evaluate(result.dir, { split: 'val', batchSize: 5 })
  t.is(result.best?.accuracy, validation.accuracy)
})

test('a data set that was moved is split as in training', async (t) => {
  const config = tinyConfig(t)
  const { dir, best } = await train(config)
  const source = join(tempFolder(t), 'moved')
  renameSync((config.data as { source: string }).source, source)
  const validation = await evaluate(dir, { data: source, split: 'val' })
  t.is(validation.count, 24)
  t.is(best?.accuracy, validation.accuracy)
})

test('measures the response of each 3x3 convolution', async (t) => {
  const { dir } = await train(tinyConfig(t, { epochs: 1 }))
  await using model = await loadModel(dir)
  const responses = await model.layerResponses({ batchSize: 5 })
  t.deepEqual(
    responses.map(({ name }) => name),
    ['conv1', ...[1, 2, 3].flatMap((n) => [`layer${n}.0.conv1`, `layer${n}.0.conv2`])],
  )
  t.true(responses.every(({ std }) => std > 0))
  // The standard deviation is over all images and does not depend on the batch size.
  const singleBatch = await model.layerResponses({ batchSize: 24 })
  for (const [index, { std }] of responses.entries()) {
    t.true(Math.abs(std / (singleBatch[index]?.std ?? 0) - 1) < 1e-4)
  }
})

test('evaluation returns samples, top losses and optional thumbnails', async (t) => {
  const { dir } = await train(tinyConfig(t, { epochs: 1 }))
  const evaluation = await evaluate(dir, { samples: 4, topLosses: 3, thumbnails: 64 })
  t.deepEqual(
    evaluation.samples.map(({ index, name }) => [index, name]),
    [3, 9, 15, 21].map((index) => [index, `test/${index}`]),
  )
  const losses = evaluation.topLosses.map(({ loss }) => loss)
  t.deepEqual(
    losses,
    losses.toSorted((a, b) => b - a),
  )
  t.true((losses[2] ?? 0) >= evaluation.loss)
  // Image 3 belongs to class 0.
  t.deepEqual(evaluation.samples[0]?.thumbnail, {
    width: 8,
    height: 8,
    channels: 1,
    base64: pixels(0, 3).toString('base64'),
  })
  t.is(
    evaluation.calibration.bins.reduce((sum, { count }) => sum + count, 0),
    24,
  )
  const numWrong = 24 * (1 - evaluation.accuracy)
  t.is(
    evaluation.mostConfused.reduce((sum, { count }) => sum + count, 0),
    Math.round(numWrong),
  )
  t.truthy(renderPredictions(evaluation.topLosses).svg)

  const withoutThumbnails = await evaluate(dir, { samples: 1 })
  t.is(withoutThumbnails.samples[0]?.thumbnail, undefined)
  t.throws(() => renderPredictions(withoutThumbnails.samples), { code: 'E_USAGE' })
  const configError = { instanceOf: ResidualError, code: 'E_CONFIG' }
  const error = await t.throwsAsync(evaluate(dir, { thumbnails: 4096 }), configError)
  t.is(error?.at.key, 'thumbnails')
})

test('accepts the same classes in another order and rejects other classes', async (t) => {
  const parent = tempFolder(t)
  const photos = imageFolder(parent, ['left', 'middle', 'right'])
  const { dir } = await train(tinyConfig(t, { data: { source: photos, channels: 1 } }))
  const others = imageFolder(tempFolder(t), ['left', 'middle'])
  const error = await t.throwsAsync(evaluate(dir, { data: others }), { instanceOf: ResidualError })
  t.is(error?.code, 'E_MISMATCH')
  t.regex(error?.message ?? '', /missing classes: right/)
})

test('a closed model rejects calls, and close() is idempotent', async (t) => {
  const { last } = await train(tinyConfig(t, { epochs: 1 }))
  const model = await loadModel(last)
  const pending = model.predict({ data: pixels(0), width: 8, height: 8, channels: 1 })
  await Promise.all([model.close(), model.close()])
  t.truthy((await pending).label)
  const closed = { instanceOf: ResidualError, message: /closed/ }
  t.is((await t.throwsAsync(model.predict('x.png'), closed))?.code, 'E_CLOSED')
  t.is((await t.throwsAsync(model.evaluate(), closed))?.code, 'E_CLOSED')
})

test('rejects an invalid image with its key', async (t) => {
  const { last } = await train(tinyConfig(t, { epochs: 1 }))
  await using model = await loadModel(last)
  const broken = join(tempFolder(t), 'broken.png')
  writeFileSync(broken, 'not an image')
  const file = await t.throwsAsync(model.predict([broken]), { instanceOf: ResidualError })
  t.is(file?.code, 'E_IMAGE')
  t.is(file?.at.file, broken)
  const missing = await t.throwsAsync(model.predict('missing.png'), { instanceOf: ResidualError })
  t.is(missing?.code, 'E_IO')

  const invalid: [unknown, string][] = [
    [null, 'image'],
    [7, 'image'],
    ['', 'image'],
    [new URL('https://example.com/cat.jpg'), 'image'],
    [{ data: [1, 2, 3], width: 1, height: 1, channels: 3 }, 'image.data'],
    [{ data: pixels(0), width: -8, height: 8, channels: 1 }, 'image.width'],
    [{ data: pixels(0), width: 8, height: 2 ** 32 + 8, channels: 1 }, 'image.height'],
  ]
  for (const [image, key] of invalid) {
    const error = await t.throwsAsync(model.predict(image as string), { instanceOf: ResidualError })
    t.is(error?.code, 'E_USAGE')
    t.is(error?.at.key, key)
  }
  const short = { data: new Uint8Array(3), width: 8, height: 8, channels: 3 } as const
  t.is((await t.throwsAsync(model.predict(short), { instanceOf: ResidualError }))?.code, 'E_IMAGE')
  const top = await t.throwsAsync(model.predict([], { top: 0 }), { instanceOf: ResidualError })
  t.is(top?.at.key, 'top')
})

test('rejects an invalid checkpoint with its file', async (t) => {
  const { last } = await train(tinyConfig(t, { epochs: 1 }))
  const bytes = readFileSync(last)
  const truncated = join(tempFolder(t), 'truncated.safetensors')
  for (const length of [0, 7, 100, bytes.length - 1]) {
    writeFileSync(truncated, bytes.subarray(0, length))
    const error = await t.throwsAsync(loadModel(truncated), { instanceOf: ResidualError })
    t.is(error?.code, 'E_CHECKPOINT')
    t.is(error?.at.file, truncated)
    t.truthy(error?.hint)
  }
  const none = await t.throwsAsync(loadModel('no/such/run'), { instanceOf: ResidualError })
  t.is(none?.code, 'E_CHECKPOINT')
  const number = await t.throwsAsync(loadModel(5 as unknown as string), {
    instanceOf: ResidualError,
  })
  t.is(number?.code, 'E_USAGE')
})
