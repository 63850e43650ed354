import { cp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Product } from '../product.mjs'
import { findDifferences, readCheckpoint, writeWithoutChecksums } from '../run/checkpoint-file.mjs'
import { tinyConfig, writeIdxData } from '../tiny-data.mjs'

/** @typedef {import('../case.mjs').Context} Context */
/** @typedef {import('../random.mjs').Random} Random */

const TRUNCATIONS = 64
const BIT_FLIPS = 1000
/** Fraction of the bit flips in the header, which would otherwise be hit rarely. */
const HEADER_FLIPS = 1 / 4
const CONTROL_FLIPS = 100
const CHECKPOINTS = ['last.safetensors', 'best.safetensors', 'epoch-0002.safetensors']

/** @type {import('../case.mjs').Case} */
export const damagedCheckpoint = {
  name: 'damaged-checkpoint',
  title: 'A damaged checkpoint is detected before it is used, and an intact one takes its place.',
  attack:
    'Checkpoints of two runs (SGD; Adam with EMA) are truncated at 64 places and get 1,000 ' +
    'random bit flips, a quarter of them in the header. `verify()` must report each as damaged ' +
    'and `loadModel()` must reject it with `E_CHECKPOINT`. Then checkpoints of run folders are ' +
    'damaged, zeroed or removed: a resumed run must continue from the newest intact one, name ' +
    'the damaged file in a warning, and end with the tensors of the undisturbed run; ' +
    '`loadModel()` must use the last checkpoint instead of a damaged best one, with a warning.',
  limits:
    'Checksums detect damage, not manipulation: whoever can write the file can also write ' +
    'checksums. Weight files of other programs have no checksums.',
  test: '__test__/cli/commands/verify.test.ts',
  prove,
}

/** @param {Context} context */
async function prove(context) {
  const product = new Product()
  const data = writeIdxData(join(context.folder, 'data'))
  const runs = await trainRuns(product, data, context.folder)
  const files = runs.map((run) => join(run, 'checkpoints', 'last.safetensors'))
  await checkIntact(product, files)

  const truncated = await attackFiles(context, files, createTruncations(context, files), product)
  const flipped = await attackFiles(context, files, createBitFlips(context, files), product)
  const replaced = await attackFolders(context, runs[0], product)
  const control = await attackUnchecked(context, files, product)
  await product.close()

  const outcomes = [...truncated, ...flipped, ...replaced]
  const failures = outcomes.filter((failure) => failure !== undefined)
  return {
    attempts: outcomes.length,
    upheld: outcomes.length - failures.length,
    failures,
    measurements: [
      { label: 'truncations', value: truncated.length },
      { label: 'bit flips', value: flipped.length },
      { label: 'run folders with damaged or missing checkpoints', value: replaced.length },
      { label: 'size of a checkpoint', value: (await readFile(files[0])).length, unit: 'bytes' },
    ],
    control,
  }
}

/**
 * Trains the runs whose checkpoints are attacked.
 *
 * @param {Product} product
 * @param {string} data
 * @param {string} folder
 */
async function trainRuns(product, data, folder) {
  const configs = [
    tinyConfig(data, join(folder, 'sgd'), { epochs: 3, checkpoint: { everyEpochs: 1 } }),
    tinyConfig(data, join(folder, 'adam'), { optimizer: { type: 'adam' }, ema: { decay: 0.9 } }),
  ]
  const dirs = []
  for (const config of configs) {
    const { ok, error } = await product.call('train', { config })
    if (error !== undefined) throw new Error(error.message)
    dirs.push(/** @type {string} */ (ok.dir))
  }
  return dirs
}

/**
 * Checks that the product accepts the files before they are damaged.
 *
 * @param {Product} product
 * @param {readonly string[]} files
 */
async function checkIntact(product, files) {
  for (const path of files) {
    const verified = await product.call('verify', { path })
    const predicted = await product.call('predict', { path })
    const { error } = predicted
    if (!verified.ok?.ok || error !== undefined) throw new Error(`intact: ${error?.message}`)
  }
}

/**
 * A change of a file's content.
 *
 * @typedef {object} Damage
 * @property {number} file index of the file
 * @property {string} name
 * @property {(bytes: Buffer) => Buffer} apply returns the damaged content
 */

/**
 * @param {Context} context
 * @param {readonly string[]} files
 * @returns {Promise<Damage[]>}
 */
async function createTruncations({ attempts }, files) {
  const count = attempts(TRUNCATIONS)
  const layouts = await Promise.all(files.map(readLayout))
  return Array.from({ length: count }, (_, index) => {
    const file = index % files.length
    const { header, size } = layouts[file]
    const edges = [0, 1, 7, 8, 9, header - 1, header, header + 1, size - 1, size - 8]
    const at = edges[index >> 1] ?? Math.floor((size * index) / count)
    return { file, name: `truncated to ${at} bytes`, apply: (bytes) => bytes.subarray(0, at) }
  })
}

/**
 * @param {Context} context
 * @param {readonly string[]} files
 * @param {number} [count]
 * @returns {Promise<Damage[]>}
 */
async function createBitFlips({ attempts, random }, files, count = BIT_FLIPS) {
  const { next, integer } = random(`flips ${count}`)
  const layouts = await Promise.all(files.map(readLayout))
  return Array.from({ length: attempts(count) }, (_, index) => {
    const file = index % files.length
    const { header, size } = layouts[file]
    const at = integer(next() < HEADER_FLIPS ? header : size)
    const bit = integer(8)
    return {
      file,
      name: `bit ${bit} of byte ${at} inverted`,
      apply(bytes) {
        const damaged = Buffer.from(bytes)
        damaged[at] ^= 1 << bit
        return damaged
      },
    }
  })
}

/** @param {string} file */
async function readLayout(file) {
  const bytes = await readFile(file)
  return { size: bytes.length, header: 8 + Number(bytes.readBigUInt64LE(0)) }
}

/**
 * Writes damaged copies of files and passes them to the product.
 *
 * @param {Context} context
 * @param {readonly string[]} files
 * @param {Promise<Damage[]>} damages
 * @param {Product} product
 * @returns {Promise<(string | undefined)[]>} why the promise did not hold, for each damage
 */
async function attackFiles({ folder }, files, damages, product) {
  const intact = await Promise.all(files.map((file) => readFile(file)))
  const copy = join(folder, 'damaged.safetensors')
  const failures = []
  for (const { file, name, apply } of await damages) {
    await writeFile(copy, apply(intact[file]))
    const problem = await findUse(product, copy)
    failures.push(problem && `${name}: ${problem}`)
  }
  await rm(copy, { force: true })
  return failures
}

/**
 * Returns how the product used a damaged file; undefined if it refused the file.
 *
 * @param {Product} product
 * @param {string} path
 */
async function findUse(product, path) {
  const verified = await product.call('verify', { path })
  const status = verified.ok?.files[0].status ?? verified.error?.code
  if (status !== 'damaged') return `verify() reports ${status}`
  const { ok, error } = await product.call('predict', { path })
  if (ok !== undefined) return 'loadModel() uses the file'
  if (error?.code !== 'E_CHECKPOINT') return `loadModel() reports ${error?.code}: ${error?.message}`
  return error.message.includes(path)
    ? undefined
    : `the message does not name the file: ${error.message}`
}

/**
 * Damages files whose checksums are switched off. The comparison must report that the product uses
 * them.
 *
 * @param {Context} context
 * @param {readonly string[]} files
 * @param {Product} product
 * @returns {Promise<import('../case.mjs').Control>}
 */
async function attackUnchecked(context, files, product) {
  const unchecked = join(context.folder, 'unchecked.safetensors')
  writeWithoutChecksums(files[0], unchecked)
  const { header } = await readLayout(unchecked)
  const flips = (await createBitFlips(context, [unchecked], CONTROL_FLIPS)).map((flip) => ({
    ...flip,
    // Damage of the header is detected by its structure, even without a checksum.
    apply: (/** @type {Buffer} */ bytes) =>
      Buffer.concat([bytes.subarray(0, header), flip.apply(bytes).subarray(header)]),
  }))
  const used = await attackFiles(context, [unchecked], Promise.resolve(flips), product)
  return {
    fault: 'bit flips in tensors of a copy without checksums, which the product uses',
    attempts: used.length,
    detected: used.filter((problem) => problem !== undefined).length,
  }
}

/**
 * Damage of the checkpoints of a run folder.
 *
 * @typedef {object} FolderDamage
 * @property {string[]} files names of the damaged checkpoints
 * @property {(file: string) => Promise<void>} apply
 * @property {string} name
 */

/** @type {readonly (readonly [string, (file: string) => Promise<void>])[]} */
const METHODS = [
  ['truncated', async (file) => truncate(file, Math.floor((await readFile(file)).length / 2))],
  ['empty', (file) => truncate(file, 0)],
  ['zeroed', zeroBlock],
  ['removed', (file) => rm(file)],
]

/**
 * Writes zeros over 4 KB in the middle of a file.
 *
 * @param {string} file
 */
async function zeroBlock(file) {
  const handle = await open(file, 'r+')
  const { size } = await handle.stat()
  await handle.write(Buffer.alloc(4096), 0, 4096, Math.floor(size / 2))
  await handle.close()
}

/**
 * Damages the checkpoints of copies of a run, resumes the copies and loads their models.
 *
 * @param {Context} context
 * @param {string} run
 * @param {Product} product
 */
async function attackFolders({ folder, attempts }, run, product) {
  const undisturbed = readCheckpoint(join(run, 'checkpoints', 'last.safetensors'))
  const damages = METHODS.flatMap(([name, apply]) =>
    [1, 2, 3].map((count) => ({ name, apply, files: CHECKPOINTS.slice(0, count) })),
  )
  const failures = []
  for (const damage of damages.slice(0, attempts(20 * damages.length))) {
    const copy = join(folder, 'copy')
    await cp(run, copy, { recursive: true })
    for (const file of damage.files) await damage.apply(join(copy, 'checkpoints', file))
    const problem =
      (await findLoadProblem(product, copy, damage.files)) ??
      (await findResumeProblem(product, copy, undisturbed))
    failures.push(problem && `${damage.files.join(', ')} ${damage.name}: ${problem}`)
    await rm(copy, { recursive: true })
  }
  return failures
}

/**
 * @param {Product} product
 * @param {string} run
 * @param {string[]} damaged
 */
async function findLoadProblem(product, run, damaged) {
  const { ok, error, warnings } = await product.call('predict', { path: run })
  if (error !== undefined) return `loadModel() failed: ${error.message}`
  if (damaged.some((name) => ok.checkpoint.endsWith(name))) return `uses ${ok.checkpoint}`
  const isNamed = warnings.some((warning) => warning.includes('best.safetensors'))
  return isNamed === damaged.includes('best.safetensors') ? undefined : `warnings: ${warnings}`
}

/**
 * @param {Product} product
 * @param {string} run
 * @param {import('../run/checkpoint-file.mjs').CheckpointFile} undisturbed
 */
async function findResumeProblem(product, run, undisturbed) {
  const { error, warnings } = await product.call('train', { config: { resume: run } })
  if (error !== undefined) return `resuming failed: ${error.message}`
  if (!warnings.some((warning) => warning.includes('last.safetensors'))) return 'no warning'
  const resumed = readCheckpoint(join(run, 'checkpoints', 'last.safetensors'))
  const different = findDifferences(resumed, undisturbed, ['residual.progress'])
  return different.length === 0 ? undefined : `other values: ${different.slice(0, 3).join(', ')}`
}
