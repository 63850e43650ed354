/** The kinds of images that `predict()` accepts, and the errors for all others. */
import { createReadStream, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import { type ImageInput, loadModel, type Prediction, ResidualError, train } from 'residual'
import { pixels, png, tempFolder, tinyConfig } from '../tiny.js'

/** Describes a prediction. The last digits depend on the size of the batch. */
const key = ({ top }: Prediction) =>
  top.map(({ label, probability }) => `${label} ${probability.toFixed(5)}`).join()

test('predict() accepts files, their bytes and pixels in all common forms', async (t) => {
  const { last } = await train(tinyConfig(t, { epochs: 1 }))
  await using model = await loadModel(last)
  const gray = pixels(1)
  const bytes = png(gray)
  const file = join(tempFolder(t), 'x.png')
  writeFileSync(file, bytes)
  const expected = key(await model.predict(file))

  const padded = Buffer.alloc(bytes.length + 99, 0xff)
  bytes.copy(padded, 33)
  const interleave = (channels: number) =>
    Uint8ClampedArray.from({ length: 64 * channels }, (_, index) =>
      channels % 2 === 0 && index % channels === channels - 1
        ? index % 256 // alpha, which is ignored
        : (gray[Math.floor(index / channels)] as number),
    )
  const shape = { width: 8, height: 8 }
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length))
  shared.set(bytes)
  const arrayBuffer = new Uint8Array(bytes).buffer
  const images: Record<string, ImageInput> = {
    Buffer: bytes,
    'view of a larger buffer': padded.subarray(33, 33 + bytes.length),
    ArrayBuffer: arrayBuffer,
    SharedArrayBuffer: shared.buffer,
    DataView: new DataView(padded.buffer, padded.byteOffset + 33, bytes.length),
    'Uint8Array of another realm': runInNewContext('new Uint8Array(values)', { values: bytes }),
    Blob: new Blob([new Uint8Array(bytes)]),
    File: new File([new Uint8Array(bytes)], 'x.png'),
    'file: URL': pathToFileURL(file),
    'text of a file: URL': pathToFileURL(file).href,
    'data: URL': new URL(`data:image/png;base64,${bytes.toString('base64')}`),
    'text of a data: URL': `data:image/png;base64,${bytes.toString('base64')}`,
    'data: URL with percent signs': `data:,${bytes.toString('hex').replace(/../g, '%$&')}`,
    gray: { data: gray, ...shape, channels: 1 },
    'gray without channels': { data: gray, ...shape },
    'gray and alpha': { data: interleave(2), ...shape, channels: 2 },
    RGB: { data: interleave(3), ...shape },
    RGBA: { data: new Uint8Array(interleave(4)), ...shape, channels: 4 },
    ImageData: { data: interleave(4), ...shape },
    sharp: { data: Buffer.from(interleave(3)), info: { ...shape, channels: 3 } },
  }
  for (const [name, image] of Object.entries(images)) {
    t.is(key(await model.predict(image)), expected, name)
  }
  const all = await model.predict(Object.values(images))
  t.deepEqual([...new Set(all.map(key))], [expected])
  t.deepEqual(await model.predict([]), [])
})

test('bytes may be modified while a blob is read', async (t) => {
  const { last } = await train(tinyConfig(t, { epochs: 1 }))
  await using model = await loadModel(last)
  const [first, second] = [png(pixels(0)), png(pixels(2))]
  const expected = key(await model.predict(first))
  const pending = model.predict([first, new Blob([new Uint8Array(second)])])
  first.fill(0)
  t.is(key((await pending)[0] as Prediction), expected)
})

test('predict() names the kind of an unsupported image and the way to convert it', async (t) => {
  const { last } = await train(tinyConfig(t, { epochs: 1 }))
  await using model = await loadModel(last)
  const bytes = png(pixels(1))
  const shape = { width: 8, height: 8 }
  const cases: [unknown, message: RegExp, hint: RegExp][] = [
    ['https://example.com/cat.jpg', /^`image` is a URL/, /fetch\(url/],
    [new URL('http://example.com/cat.jpg'), /^`image` is a URL/, /fetch\(url/],
    ['s3://photos/cat.jpg', /^`image` is a s3: URL/, /bytes/],
    ['blob:nodedata:7', /^`image` is a blob: URL/, /bytes/],
    ['data:image/png;base64', /without a comma/, /base64,CONTENT/],
    ['file://host/x.png', /not the URL of a file on this machine/, /file:\/\/\//],
    [
      bytes.toString('base64'),
      /is an image in base64, not a path/,
      /Buffer\.from\(text, 'base64'\)/,
    ],
    [`/9j/${'A'.repeat(100)}`, /is an image in base64/, /Buffer\.from/],
    [undefined, /not undefined$/, /path, a Buffer, or pixels/],
    [null, /not null$/, /path/],
    [7, /not 7$/, /path/],
    ['', /not ""$/, /./],
    [Promise.resolve(bytes), /not a Promise$/, /await image/],
    [new Response(new Uint8Array(bytes)), /not a Response$/, /response\.arrayBuffer\(\)/],
    [createReadStream('/dev/null'), /not a ReadStream$/, /stream\/consumers/],
    [{ toBuffer() {} }, /not an Object$/, /toBuffer\(\)/],
    [new Float32Array(3), /not a Float32Array$/, /width, height/],
    [{ data: Float32Array.from(bytes), ...shape }, /`image\.data` .* not a Float32Array/, /255/],
    [{ data: [1, 2, 3], ...shape }, /`image\.data` .* not an Array/, /Uint8Array/],
    [{ data: bytes.subarray(0, 5), ...shape }, /has 5 bytes, .* 8 x 8 pixels/, /channels/],
    [{ data: bytes, height: 8 }, /`image\.width` .* not undefined/, /width, height/],
    [{ data: bytes, info: { width: 8 } }, /`image\.info\.height`/, /width, height/],
  ]
  for (const [image, message, hint] of cases) {
    const error = await t.throwsAsync(model.predict(image as string), { instanceOf: ResidualError })
    t.is(error?.code, 'E_USAGE', String(error?.message))
    t.regex(error?.message ?? '', message)
    t.regex(error?.hint ?? '', hint)
  }
  const wrong = { data: pixels(0), ...shape, channels: 4 } as const
  const error = await t.throwsAsync(model.predict(wrong), { instanceOf: ResidualError })
  t.is(error?.code, 'E_IMAGE')
  t.regex(error?.message ?? '', /64 bytes are not an image of 8 x 8 pixels with 4 channels/)
  const empty = await t.throwsAsync(model.predict(Buffer.alloc(0)), { instanceOf: ResidualError })
  t.is(empty?.code, 'E_IMAGE')
})

test('long input is shortened in messages', async (t) => {
  const long = 'a'.repeat(30_000_000)
  for (const work of [
    () => loadModel(long),
    () => train({ data: long }),
    () => train({ data: 'fashion-mnist-mini', model: long }),
    () => train({ data: 'fashion-mnist-mini', [long]: 1 }),
    () => train({ data: 'fashion-mnist-mini', recipe: long }),
    () => train({ data: 'fashion-mnist-mini' }, { [long]: 1 }),
    () => train({ data: 'fashion-mnist-mini', device: long as 'cpu' }),
  ]) {
    const started = Date.now()
    const error = await t.throwsAsync(async () => await work(), { instanceOf: ResidualError })
    t.true((error?.message.length ?? 0) <= 7000, error?.message.slice(0, 100))
    t.true(JSON.stringify([error?.hint, error?.at]).length < 20_000)
    t.true(Date.now() - started < 10_000)
  }
})
