import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { encodePng } from '../../../dist/image-grid/png.js'
import { ROOT } from '../../setup.mjs'
import { Child, CLI, programPath } from '../child.mjs'
import { createConsumer } from '../consumer.mjs'
import { hashTensors } from '../run/checkpoint-file.mjs'

/** @typedef {import('../case.mjs').Context} Context */
/** @typedef {import('../random.mjs').Random} Random */
/** @typedef {import('residual').TrainConfig} TrainConfig */

const CLASSES = 3
const PNGS_PER_CLASS = 12
/** JPEGs of crates/data, a different one in each class: baseline, progressive, subsampled. */
const JPEGS = ['rgb.jpg', 'progressive.jpg', 'yuv422.jpg']
const PRECISIONS = /** @type {const} */ (['fp32', 'bf16'])

/** @type {import('../case.mjs').Case} */
export const sameBytes = {
  name: 'same-bytes',
  title:
    'The same configuration trains the same weights to the bit, however many workers load the ' +
    'images, with and without a cache, and from every interface.',
  attack:
    'A run on a folder of PNG and JPEG images, with random crops, flips, TrivialAugment, ' +
    'erasing and mixup, is repeated with 1, 2, 3 and 8 workers, with caches of 0 and 1 MiB and ' +
    'of automatic size, through the API, the command line with settings and with a YAML file, ' +
    'and through the package that `npm pack` creates; in fp32 and bf16. The SHA-256 of all ' +
    'tensors of the last checkpoint (weights, statistics, optimizer state) must be the same ' +
    'each time, and equal the hash in docs/guarantees.json if there is one for this class of ' +
    'CPU.',
  limits:
    'The number of threads (`threads`) changes the order of sums and therefore the bytes, and ' +
    'so may another class of CPU (vendor and instruction sets), a GPU, or another version of ' +
    'residual or libtorch.',
  test: 'crates/data/tests/workers.rs',
  prove,
}

/** @param {Context} context */
async function prove(context) {
  const data = await writeImages(join(context.folder, 'images'), context.random('images'))
  const project = join(context.folder, 'project')
  await createConsumer(project)
  const processor = await readProcessorClass(context)
  /** @type {Record<string, string>} */
  const golden = {}
  const failures = []
  let attempts = 0
  let control = { attempts: 0, detected: 0 }
  for (const precision of PRECISIONS) {
    const base = createConfig(data, precision)
    const [first, ...others] = createVariants(base, project, context.folder)
    const key = `${processor}, ${precision}`
    golden[key] = await runAndHash(context, first)
    const recorded = context.golden[key] ?? golden[key]
    attempts++
    if (golden[key] !== recorded) failures.push(`${key}: ${golden[key]} instead of ${recorded}`)
    for (const variant of others) {
      attempts++
      const hash = await runAndHash(context, variant)
      if (hash !== golden[key]) failures.push(`${precision}, ${variant.name}: ${hash}`)
    }
    control = await runControl(context, base, golden[key], control)
    context.log(`  ${precision}: ${attempts} runs`)
  }
  return {
    attempts,
    upheld: attempts - failures.length,
    failures,
    measurements: [
      ...Object.entries(golden).map(([label, value]) => ({ label, value: `\`${value}\`` })),
      { label: 'runs for each precision', value: attempts / PRECISIONS.length },
    ],
    control: {
      fault:
        'runs with another seed, a learning rate that differs by 1e-6, and one other value in ' +
        'each image',
      ...control,
    },
    golden,
  }
}

/**
 * Returns vendor and instruction sets of the CPU, which select the kernels.
 *
 * @param {Context} context
 */
async function readProcessorClass({ machine }) {
  const info = await readFile('/proc/cpuinfo', 'utf8').catch(() => '')
  const vendor = /^vendor_id\s*:\s*(\S+)/m.exec(info)?.[1] ?? 'unknown vendor'
  return [vendor, ...machine.features].join(' ')
}

/**
 * Writes an image folder. PNGs of different sizes have random pixels.
 *
 * @param {string} folder
 * @param {Random} random
 * @param {{ isChanged?: boolean }} [options] `isChanged`: changes a value in the
 *   center of each image
 */
async function writeImages(folder, { integer }, { isChanged = false } = {}) {
  for (let label = 0; label < CLASSES; label++) {
    const target = join(folder, `class-${label}`)
    await mkdir(target, { recursive: true })
    for (let index = 0; index < PNGS_PER_CLASS; index++) {
      const [width, height] = [20 + integer(20), 20 + integer(20)]
      const data = Uint8Array.from({ length: 3 * width * height }, () => integer(200) + 20 * label)
      if (isChanged) data[3 * (width * (height >> 1) + (width >> 1))] ^= 128
      await writeFile(join(target, `${index}.png`), encodePng({ data, width, height, channels: 3 }))
    }
    const jpeg = JPEGS[label]
    await copyFile(join(ROOT, 'crates', 'data', 'tests', 'images', jpeg), join(target, jpeg))
  }
  return folder
}

/**
 * @param {string} source
 * @param {TrainConfig['precision']} precision
 * @returns {TrainConfig}
 */
function createConfig(source, precision) {
  return {
    data: { source, imageSize: 16, validation: 0.2 },
    transform: {
      crop: { type: 'random-resized' },
      policy: 'trivialaugment',
      erase: { type: 'random-erasing', probability: 0.5 },
      mix: { type: 'mixup', alpha: 0.4 },
      flip: true,
    },
    model: { arch: 'resnet8', weights: 'none' },
    epochs: 3,
    batchSize: 8,
    optimizer: { type: 'sgd', lr: 0.05 },
    precision,
    threads: 1,
    workers: 1,
    seed: 1,
  }
}

/**
 * A way to run a configuration.
 *
 * @typedef {object} Variant
 * @property {string} name
 * @property {(out: string) => Promise<Child>} start
 */

/**
 * Returns the variants of a run. The first one is the reference.
 *
 * @param {TrainConfig} base
 * @param {string} project folder of a project with the packed package
 * @param {string} folder temporary folder
 * @returns {Variant[]}
 */
function createVariants(base, project, folder) {
  const packedCli = join(project, 'node_modules', 'residual', 'dist', 'cli', 'main.js')
  return [
    createApiVariant('API, 1 worker, no cache', { ...base, cache: 0 }),
    ...[2, 3, 8].map((workers) =>
      createApiVariant(`${workers} workers`, { ...base, workers, cache: 0 }),
    ),
    createApiVariant('automatic cache, 1 worker', base),
    createApiVariant('automatic cache, 3 workers', { ...base, workers: 3 }),
    createApiVariant('cache of 1 MiB, 2 workers', { ...base, workers: 2, cache: 1 }),
    { name: 'command line, settings', start: async (out) => startCommand(CLI, base, out) },
    {
      name: 'command line, YAML',
      async start(out) {
        const file = join(folder, 'run.yaml')
        await writeFile(file, stringify(base))
        return Child.node([CLI, 'train', '--config', file, '--out', out, '--no-report'])
      },
    },
    createApiVariant('packed package, API', { ...base, workers: 2 }, project),
    {
      name: 'packed package, command line',
      start: async (out) => startCommand(packedCli, base, out),
    },
  ]
}

/**
 * @param {string} name
 * @param {TrainConfig} config
 * @param {string} [cwd] folder of a project whose package is used
 * @returns {Variant}
 */
function createApiVariant(name, config, cwd = ROOT) {
  const argument = (/** @type {string} */ out) => JSON.stringify({ ...config, out })
  return {
    name,
    start: async (out) => Child.node([programPath('train.mjs'), argument(out)], { cwd }),
  }
}

/**
 * Starts a run with every value as a setting on the command line.
 *
 * @param {string} cli
 * @param {TrainConfig} config
 * @param {string} out
 */
function startCommand(cli, config, out) {
  const settings = Object.entries(config).map(([key, value]) => `${key}=${JSON.stringify(value)}`)
  return Child.node([cli, 'train', ...settings, '--out', out, '--no-report'])
}

/**
 * Runs a variant and returns the hash of its last checkpoint.
 *
 * @param {Context} context
 * @param {Variant} variant
 */
async function runAndHash({ folder }, { name, start }) {
  const out = join(folder, 'run')
  const { status, stderr } = await (await start(out)).close()
  if (status !== 0) throw new Error(`${name}: ${stderr.slice(0, 500)}`)
  const hash = hashTensors(join(out, 'checkpoints', 'last.safetensors'))
  await rm(out, { recursive: true })
  return hash
}

/**
 * Runs configurations that differ slightly, whose hashes must differ.
 *
 * @param {Context} context
 * @param {TrainConfig} base
 * @param {string} hash hash of the base
 * @param {{ attempts: number, detected: number }} control
 */
async function runControl(context, base, hash, { attempts, detected }) {
  const changed = join(context.folder, 'changed')
  await writeImages(changed, context.random('images'), { isChanged: true })
  const source = { .../** @type {object} */ (base.data), source: changed }
  /** @type {TrainConfig[]} */
  const faults = [
    { ...base, seed: 2 },
    { ...base, optimizer: { type: 'sgd', lr: 0.05 + 1e-6 } },
    { ...base, data: source },
  ]
  for (const config of faults) {
    attempts++
    if ((await runAndHash(context, createApiVariant('control', config))) !== hash) detected++
  }
  await rm(changed, { recursive: true })
  return { attempts, detected }
}
