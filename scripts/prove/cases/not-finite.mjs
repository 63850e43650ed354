import { cp, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { encodePng } from '../../../dist/image-grid/png.js'
import { Product } from '../product.mjs'
import { readCheckpoint, writeWithoutChecksums } from '../run/checkpoint-file.mjs'
import { tinyConfig, writeIdxData } from '../tiny-data.mjs'

/** @typedef {import('../case.mjs').Context} Context */
/** @typedef {import('../product.mjs').Outcome} Outcome */

const SIDE = 8
const IMAGES = 48
const CLASSES = 3
/** Batches of an image that is not finite after normalization, in fp32 and bf16. */
const BATCHES = 20
const LEARNING_RATES = [1e18, 1e20, 1e25, 1e30, 1e35, 1e39]
/** Tensors of a checkpoint in which a value is replaced, one of each kind. */
const TENSORS = [
  'conv1.weight',
  'bn1.weight',
  'layer1.0.bn1.bias',
  'layer2.0.bn1.running_mean',
  'layer2.0.bn2.running_var',
  'layer3.0.conv2.weight',
  'fc.weight',
  'fc.bias',
]
/** Tensors that only a resumed run reads. */
const TRAINING_TENSORS = ['optimizer.momentum.conv1.weight', 'ema.layer1.0.conv1.weight']
/** Message for an input, with the step, the batch and the images. */
const INPUT_MESSAGE = new RegExp(
  'in epoch 1 at step (\\d+): the input of the network is the first value that is not finite, ' +
    'in batch (\\d+) of the epoch \\((.*)\\)$',
)
/** Messages that name a layer, a gradient or a weight. */
const PLACE_MESSAGES = [
  /the (output|gradient) of `[\w.]+` is the first value that is not finite, in batch \d+ of/,
  /^`[\w.]+` is not finite after step \d+$/,
]
const VALUES = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]

/** @type {import('../case.mjs').Case} */
export const notFinite = {
  name: 'not-finite',
  title:
    'NaN or infinity in a batch, in gradients or in weights ends a run before the update, with ' +
    'the step, the layer and the images.',
  attack:
    'One image of a data set is infinite after normalization, at 20 positions, in fp32 and ' +
    'bf16, with and without gradient accumulation: the run must end with `E_DIVERGED` and name ' +
    'the step, the input, the batch and this image, and the last checkpoint must equal that of ' +
    'a run that stopped before this step to the bit. Learning rates from 1e18 to 1e39 must end ' +
    'with the step and the first layer or gradient that is not finite, and leave no checkpoint ' +
    'with such a value. NaN and infinity are written to each kind of tensor of a checkpoint: ' +
    'prediction, evaluation, `model.weights` and a resumed run must reject it and name the ' +
    'tensor.',
  limits:
    'An update with finite gradients may itself make weights infinite (with a learning rate ' +
    'above 1e30, for example). The next step then ends the run, and such weights are not saved. ' +
    'With fp16, loss scaling skips steps with gradients that are not finite. At most four ' +
    'images of a batch are named.',
  test: 'crates/train/src/step/tests/not_finite.rs',
  prove,
}

/** @param {Context} context */
async function prove(context) {
  const product = new Product()
  const batches = await attackBatches(context, product)
  const rates = await attackLearningRates(context, product)
  const { outcomes: weights, control } = await attackWeights(context, product)
  const finite = await runFinite(context, product)
  await product.close()
  const outcomes = [...batches, ...rates, ...weights]
  const failures = outcomes.filter((problem) => problem !== undefined)
  return {
    attempts: outcomes.length,
    upheld: outcomes.length - failures.length,
    failures,
    measurements: [
      { label: 'batches with an infinite image', value: batches.length },
      { label: 'learning rates', value: rates.length },
      { label: 'uses of a checkpoint with NaN or infinity', value: weights.length },
    ],
    control: {
      fault: 'finite images, of which no run may end; finite values in a checkpoint, which is used',
      attempts: control.attempts + 1,
      detected: control.detected + (finite === 'ends with a result' ? 1 : 0),
    },
  }
}

/**
 * Writes black images in folders of classes. The image `bright`, if there is one, is white.
 *
 * @param {string} folder
 * @param {number} [bright]
 */
async function writeImages(folder, bright) {
  for (let label = 0; label < CLASSES; label++) {
    await mkdir(join(folder, `class-${label}`), { recursive: true })
  }
  for (let index = 0; index < IMAGES; index++) {
    const data = new Uint8Array(SIDE * SIDE).fill(index === bright ? 255 : 0)
    const name = index === bright ? 'bright.png' : `black-${index}.png`
    const png = encodePng({ data, width: SIDE, height: SIDE, channels: 1 })
    await writeFile(join(folder, `class-${index % CLASSES}`, name), png)
  }
}

/**
 * Returns the configuration of a run in which white pixels are infinite after normalization, and
 * black pixels are 0.
 *
 * @param {string} folder of the images
 * @param {string} out
 * @param {import('residual').TrainConfig} config
 */
function infiniteConfig(folder, out, config) {
  /** @type {import('residual').TransformConfig} */
  const transform = {
    mean: [0],
    std: [1e-42],
    crop: { type: 'none' },
    flip: false,
  }
  return tinyConfig(folder, out, {
    data: { source: folder, validation: 0, imageSize: SIDE },
    transform,
    model: { arch: 'resnet8', weights: 'none' },
    epochs: 1,
    batchSize: 8,
    schedule: { type: 'constant' },
    checkpoint: { everySteps: 1 },
    ...config,
  })
}

/**
 * @param {Context} context
 * @param {Product} product
 * @returns {Promise<(string | undefined)[]>} why the promise did not hold, for each attempt
 */
async function attackBatches({ folder, attempts, random }, product) {
  const { integer } = random('bright')
  const outcomes = []
  for (let index = 0; index < attempts(BATCHES); index++) {
    const images = join(folder, 'images')
    await writeImages(images, integer(IMAGES))
    const precision = index % 2 === 0 ? 'fp32' : 'bf16'
    const accumulate = 1 + ((index >> 1) % 2)
    const config = { precision, gradient: { accumulate }, seed: index }
    const problem = await findBatchProblem(product, folder, images, config, accumulate)
    outcomes.push(problem && `image ${index}, ${precision}, ${accumulate} batches: ${problem}`)
    await rm(images, { recursive: true })
  }
  return outcomes
}

/**
 * @param {Product} product
 * @param {string} folder
 * @param {string} images
 * @param {any} config
 * @param {number} accumulate
 */
async function findBatchProblem(product, folder, images, config, accumulate) {
  const [out, stopped] = ['infinite', 'stopped'].map((name) => join(folder, name))
  try {
    const { error } = await product.call('train', { config: infiniteConfig(images, out, config) })
    if (error?.code !== 'E_DIVERGED') return `ends with ${error?.code ?? 'a result'}`
    const found = INPUT_MESSAGE.exec(error.message)
    if (found === null) return `the message is: ${error.message}`
    const [step, batch] = [Number(found[1]), Number(found[2])]
    if (!/bright\.png$/.test(found[3]) || found[3].includes(',')) return `names ${found[3]}`
    if (step !== Math.ceil(batch / accumulate)) return `names step ${step} and batch ${batch}`
    if (step === 1) return undefined
    const budget = { budget: { steps: step - 1 }, epochs: undefined }
    const before = infiniteConfig(images, stopped, { ...config, ...budget })
    const reference = await product.call('train', { config: before })
    if (reference.error !== undefined) return `the reference failed: ${reference.error.message}`
    return findDifferentTensor(out, stopped)
  } finally {
    for (const run of [out, stopped]) await rm(run, { recursive: true, force: true })
  }
}

/**
 * Returns the first tensor in which the last checkpoints of two runs differ.
 *
 * @param {string} a
 * @param {string} b
 */
function findDifferentTensor(a, b) {
  const [left, right] = [a, b].map((run) => readLastCheckpoint(run))
  for (const [name, { bytes }] of left.tensors) {
    if (!right.tensors.get(name)?.bytes.equals(bytes))
      return `the last checkpoint differs in ${name}`
  }
  return undefined
}

/** @param {string} run */
function readLastCheckpoint(run) {
  return readCheckpoint(join(run, 'checkpoints', 'last.safetensors'))
}

/**
 * Trains with learning rates at which a run diverges.
 *
 * @param {Context} context
 * @param {Product} product
 */
async function attackLearningRates({ folder }, product) {
  const data = writeIdxData(join(folder, 'data'))
  const outcomes = []
  for (const lr of LEARNING_RATES) {
    const out = join(folder, 'diverged')
    const config = tinyConfig(data, out, {
      optimizer: { type: 'sgd', lr },
      checkpoint: { everySteps: 1 },
    })
    const { error } = await product.call('train', { config })
    outcomes.push(findRateProblem(error, lr) ?? (await findNotFiniteValue(product, out)))
    await rm(out, { recursive: true })
  }
  return outcomes
}

/**
 * @param {Outcome['error']} error
 * @param {number} lr
 */
function findRateProblem(error, lr) {
  if (error?.code !== 'E_DIVERGED') return `a learning rate of ${lr} ends with ${error?.code}`
  if (!PLACE_MESSAGES.some((pattern) => pattern.test(error.message)))
    return `learning rate ${lr}: ${error.message}`
  return undefined
}

/**
 * Returns a tensor of a run's checkpoints that is not finite.
 *
 * @param {Product} product
 * @param {string} run
 */
async function findNotFiniteValue(product, run) {
  const { ok, error } = await product.call('verify', { path: run })
  if (error !== undefined) return `verify() failed: ${error.message}`
  /** @type {{ file: string }[]} */
  const files = ok.files
  for (const { file } of files.filter(({ file }) => file.endsWith('.safetensors'))) {
    for (const [name, { dtype, bytes }] of readCheckpoint(join(run, file)).tensors) {
      if (dtype !== 'F32') continue
      for (let at = 0; at < bytes.length; at += 4) {
        if (!Number.isFinite(bytes.readFloatLE(at))) return `${file} has a value in ${name}`
      }
    }
  }
  return undefined
}

/**
 * Replaces a value in each kind of tensor of a checkpoint and passes the checkpoint to the product.
 * The control writes finite values.
 *
 * @param {Context} context
 * @param {Product} product
 */
async function attackWeights({ folder, random }, product) {
  const { integer } = random('weights')
  const data = join(folder, 'data')
  const [plain, averaged] = await Promise.all([
    trainRun(product, tinyConfig(data, join(folder, 'plain'), {})),
    trainRun(product, tinyConfig(data, join(folder, 'averaged'), { ema: { decay: 0.9 } })),
  ])
  const outcomes = []
  const control = { attempts: 0, detected: 0 }
  for (const name of [...TENSORS, ...TRAINING_TENSORS]) {
    const run = name.startsWith('ema.') ? averaged : plain
    for (const value of [...VALUES, 0.5]) {
      const copy = join(folder, 'copy')
      await cp(run, copy, { recursive: true })
      for (const file of ['last', 'best'].map((kind) =>
        join(copy, `checkpoints/${kind}.safetensors`),
      )) {
        writeWithoutChecksums(file, file, (tensor, bytes) => {
          if (tensor === name) bytes.writeFloatLE(value, 4 * integer(bytes.length / 4))
        })
      }
      const problems = await findUseProblems(product, copy, name, data)
      if (Number.isFinite(value)) {
        control.attempts += problems.length
        control.detected += problems.filter((problem) => problem !== undefined).length
      } else {
        outcomes.push(...problems.map((problem) => problem && `${value} in ${name}: ${problem}`))
      }
      await rm(copy, { recursive: true })
    }
  }
  return { outcomes, control }
}

/**
 * @param {Product} product
 * @param {import('residual').TrainConfig} config
 * @returns {Promise<string>}
 */
async function trainRun(product, config) {
  const { ok, error } = await product.call('train', { config })
  if (error !== undefined) throw new Error(error.message)
  return ok.dir
}

/**
 * Uses a run whose checkpoints have a value in the tensor `name`. Returns why the product did not
 * reject it, for each use.
 *
 * @param {Product} product
 * @param {string} run
 * @param {string} name
 * @param {string} data
 */
async function findUseProblems(product, run, name, data) {
  const last = join(run, 'checkpoints', 'last.safetensors')
  const out = `${run}-weights`
  const model = { arch: 'resnet8', weights: last }
  /** @type {[string, () => Promise<Outcome>][]} */
  const uses = [
    ['a resumed run', () => product.call('train', { config: { resume: run, epochs: 3 } })],
  ]
  if (!name.startsWith('optimizer.')) {
    uses.push(
      ['predict()', () => product.call('predict', { path: last })],
      ['evaluate()', () => product.call('evaluate', { path: last })],
      ['model.weights', () => product.call('train', { config: tinyConfig(data, out, { model }) })],
    )
  }
  const problems = []
  for (const [use, call] of uses) {
    const { ok, error } = await call()
    await rm(out, { recursive: true, force: true })
    const tensor = name.replace(/^ema\./, '')
    if (ok !== undefined) problems.push(`${use} uses it`)
    else if (error?.code !== 'E_CHECKPOINT' || !error.message.includes(tensor)) {
      problems.push(`${use} ends with ${error?.code}: ${error?.message}`)
    } else problems.push(undefined)
  }
  return problems
}

/**
 * Trains on black images only, of which all values are finite. Returns the problem that the check
 * of the batches reports.
 *
 * @param {Context} context
 * @param {Product} product
 */
async function runFinite({ folder }, product) {
  const images = join(folder, 'finite')
  await writeImages(images)
  return await findBatchProblem(product, folder, images, { precision: 'fp32', seed: 1 }, 1)
}
