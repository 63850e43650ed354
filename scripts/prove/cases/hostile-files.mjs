import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { ROOT } from '../../setup.mjs'
import { attackOutside } from '../hostile/folders.mjs'
import { mutate } from '../hostile/mutate.mjs'
import { HostileReader } from '../hostile/reader.mjs'
import { compileTests, hasNightly, runTests } from '../hostile/rust-targets.mjs'
import { Product } from '../product.mjs'
import { tinyConfig, writeIdxData } from '../tiny-data.mjs'

/** @typedef {import('../case.mjs').Context} Context */
/** @typedef {import('../hostile/rust-targets.mjs').TestProgram} TestProgram */

/** Crates with a property test for each parser, in test programs named `hostile*`. */
const CRATES = ['data', 'pickle', 'runlog', 'spec', 'weights']
/** Generated inputs of each property test in a round. */
const CASES = 1000
const RUST_SECONDS = 90
/** Crates with unsafe code in kernels and decoders. */
const SANITIZED = ['kernels', 'data']
const SANITIZED_CASES = 100
/** Limit of the address space of a test program. */
const MEMORY_BYTES = 2e9

const CORPORA = {
  image: join(ROOT, 'crates', 'data', 'tests', 'corpus', 'images'),
  dataset: join(ROOT, 'crates', 'data', 'tests', 'corpus'),
  weights: join(ROOT, 'crates', 'weights', 'tests', 'fixtures'),
  config: join(ROOT, 'crates', 'spec', 'tests', 'corpus'),
  recipe: join(ROOT, 'recipes'),
  run: join(ROOT, 'crates', 'runlog', 'tests', 'corpus'),
}

/** @type {import('../case.mjs').Case} */
export const hostileFiles = {
  name: 'hostile-files',
  title:
    'A damaged or malicious file is read or refused, in bounded time and memory, and reaches no ' +
    'other file.',
  attack:
    'Every parser (JPEG, PNG, pickle, zip, tar, safetensors, IDX, CIFAR, CSV, JSON Lines, YAML and ' +
    'JSON configurations, run logs) reads a kept corpus, randomly damaged: in property tests of ' +
    'the Rust crates with 2 GB of address space, and through the package in a process with 12 GB ' +
    'of address space. A panic, a crash, an error without a code, more than 10 seconds of ' +
    'processor time or 1 GB breaks the promise. Archives, shards, weights and runs that contain ' +
    '`..`, absolute paths, links and calls are opened while the system calls are recorded. The ' +
    'tests of the SIMD kernels and decoders run with the address sanitizer.',
  limits:
    'Links in a folder of images and absolute paths in a list of images are followed, since both ' +
    'are common; so are links to the folders `checkpoints` and `plots` of a run. A file whose ' +
    'damage leaves valid content is accepted, unless it has checksums (see damaged-checkpoint).',
  test: 'crates/data/tests/hostile_corpus.rs',
  timeoutSeconds: 1500,
  prove,
}

/** @param {Context} context */
async function prove(context) {
  // The crates and the package are attacked at the same time.
  const [rust, sanitized, [product, outside]] = await Promise.all([
    attackRust(context),
    attackSanitized(context),
    attackPackage(context),
  ])
  const parts = [rust, sanitized, product, outside]
  const sum = (/** @type {'attempts' | 'upheld'} */ key) =>
    parts.reduce((total, part) => total + part[key], 0)
  const controls = parts.flatMap((part) => part.controls)
  return {
    attempts: sum('attempts'),
    upheld: sum('upheld'),
    failures: parts.flatMap((part) => part.failures),
    notes: [...sanitized.notes, ...outside.notes],
    measurements: parts.flatMap((part) => part.measurements),
    control: {
      fault:
        'a parser without a bounds check, a read out of bounds with the sanitizer, an exception, ' +
        'a crash, 11 seconds, 1.5 GB, and a file read and a file written outside of the folder',
      attempts: controls.length,
      detected: controls.filter((isDetected) => isDetected).length,
    },
  }
}

/** @param {Context} context */
async function attackPackage(context) {
  const product = await attackProduct(context)
  const outside = await attackOutside(context, join(context.folder, 'run'))
  return /** @type {const} */ ([product, outside])
}

/**
 * Runs the property tests in rounds, each with another seed, until the time is over.
 *
 * @param {Context} context
 */
async function attackRust({ attempts, log }) {
  const programs = await compileTests(CRATES, { args: ['--release', '--test', 'hostile*'] })
  const start = performance.now()
  const isOver = () => performance.now() - start > attempts(RUST_SECONDS) * 1000
  const [failures, slowest] = [/** @type {string[]} */ ([]), { name: '', seconds: 0 }]
  let [tests, cases, rounds] = [0, 0, 0]
  for (; rounds === 0 || !isOver(); rounds++) {
    for (const program of programs) {
      if (rounds > 0 && isOver()) break
      const begin = performance.now()
      const outcome = await runTests(program, {
        cases: rounds === 0 ? attempts(CASES) : CASES,
        seed: rounds,
        memoryBytes: MEMORY_BYTES,
        timeoutSeconds: 400,
      })
      const seconds = (performance.now() - begin) / 1000
      log(`${program.crate} ${program.name}: ${outcome.cases} inputs, ${seconds.toFixed(0)} s`)
      if (seconds > slowest.seconds) Object.assign(slowest, { name: program.name, seconds })
      tests += rounds === 0 ? outcome.tests : 0
      cases += outcome.cases
      if (outcome.failure !== undefined) {
        failures.push(`${program.crate} ${program.name}, seed ${rounds}: ${outcome.failure}`)
      }
    }
  }
  return {
    attempts: tests + cases,
    upheld: tests + cases - failures.length,
    failures,
    controls: [await isFaultyParserDetected(programs)],
    measurements: [
      { label: 'test programs of the Rust crates', value: programs.length },
      { label: 'tests of these programs', value: tests },
      { label: 'generated inputs', value: cases },
    ],
  }
}

/** @param {readonly TestProgram[]} programs */
async function isFaultyParserDetected(programs) {
  const program = programs.find(({ name }) => name === 'hostile_corpus')
  if (program === undefined) return false
  const args = ['--ignored', 'control_faulty_parser']
  const { failure = '' } = await runTests(program, { seed: 0, cases: CASES, args })
  return failure.startsWith('panicked at')
}

/**
 * Runs the tests of the crates with unsafe code with the address sanitizer.
 *
 * @param {Context} context
 */
async function attackSanitized({ attempts, log }) {
  const nothing = { attempts: 0, upheld: 0, failures: [], controls: [], measurements: [] }
  if (!(await hasNightly())) {
    const notes = ['The address sanitizer needs a nightly toolchain of Rust.']
    return { ...nothing, notes }
  }
  const target = process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target')
  // Without `--tests`, cargo compiles examples, too.
  const args = ['--tests', '--target-dir', join(target, 'asan')]
  const env = { RUSTFLAGS: '-Zsanitizer=address' }
  const programs = await compileTests(SANITIZED, { toolchain: '+nightly', env, args })
  /** @type {string[]} */
  const failures = []
  let [tests, cases] = [0, 0]
  for (const program of programs) {
    const outcome = await runTests(program, { cases: attempts(SANITIZED_CASES), seed: 0 })
    log(`${program.crate} ${program.name} with the sanitizer: ${outcome.tests} tests`)
    tests += outcome.tests
    cases += outcome.cases
    if (outcome.failure !== undefined) {
      failures.push(`${program.crate} ${program.name}, AddressSanitizer: ${outcome.failure}`)
    }
  }
  const control = programs.find(({ name }) => name === 'sanitizer')
  const outcome = control && (await runTests(control, { args: ['--ignored'] }))
  return {
    attempts: tests + cases,
    upheld: tests + cases - failures.length,
    failures,
    notes: [],
    controls: [outcome?.failure?.includes('heap-buffer-overflow') ?? false],
    measurements: [{ label: 'tests with the address sanitizer', value: tests }],
  }
}

/** Number of damaged files of each kind that the package reads. */
const COUNTS = {
  image: 400,
  weights: 300,
  dataset: 200,
  config: 400,
  recipe: 200,
  run: 150,
  report: 15,
}

/**
 * Reads damaged files with the package.
 *
 * @param {Context} context
 */
async function attackProduct(context) {
  const checkpoint = await trainModel(context.folder)
  const reader = new HostileReader(checkpoint)
  const failures = []
  let attempts = 0
  for (const [kind, count] of Object.entries(COUNTS)) {
    const random = context.random(kind)
    const corpus = CORPORA[/** @type {keyof typeof CORPORA} */ (kind === 'report' ? 'run' : kind)]
    const seeds = await listSeeds(kind, corpus)
    for (let index = 0; index < context.attempts(count); index++) {
      const seed = seeds[index % seeds.length]
      const path = await copyDamaged(seed, join(context.folder, 'damaged'), random)
      const reading = kind === 'recipe' ? 'config' : kind
      const problem = await reader.read(reading, path)
      attempts++
      if (problem !== undefined) failures.push(`${kind} ${basename(seed)} (${index}) ${problem}`)
      await rm(path, { recursive: true, force: true })
    }
    context.log(`${kind}: ${context.attempts(count)} files, ${failures.length} problems so far`)
  }
  await reader.close()
  return {
    attempts,
    upheld: attempts - failures.length,
    failures,
    controls: await areFaultsDetected(checkpoint),
    measurements: [
      { label: 'damaged files read by the package', value: attempts },
      { label: 'damaged files that the package accepts', value: reader.accepted },
      { label: 'longest processor time of a file', value: reader.peak.seconds, unit: 's' },
      { label: 'peak memory of the process', value: Math.round(reader.peak.megabytes), unit: 'MB' },
    ],
  }
}

/** @param {string} checkpoint */
async function areFaultsDetected(checkpoint) {
  const controls = []
  for (const fault of ['exception', 'crash', 'time', 'memory']) {
    const reader = new HostileReader(checkpoint)
    controls.push((await reader.read(`fault: ${fault}`, '/')) !== undefined)
    await reader.close()
  }
  return controls
}

/**
 * Trains the network that classifies hostile images.
 *
 * @param {string} folder
 */
async function trainModel(folder) {
  const product = new Product()
  const data = writeIdxData(join(folder, 'data'))
  const config = tinyConfig(data, join(folder, 'run'), { epochs: 1 })
  const { error } = await product.call('train', { config })
  await product.close()
  if (error !== undefined) throw new Error(error.message)
  return join(folder, 'run', 'checkpoints', 'last.safetensors')
}

/**
 * Lists the files, data sets or runs of a corpus.
 *
 * @param {string} kind
 * @param {string} corpus
 */
async function listSeeds(kind, corpus) {
  const isFolder = kind === 'dataset' || kind === 'run' || kind === 'report'
  const entries = await readdir(corpus, { withFileTypes: true })
  return entries
    .filter((entry) => entry.isDirectory() === isFolder && entry.name !== 'images')
    .filter(({ name }) => kind !== 'weights' || /\.(pth|pt|safetensors)$/.test(name))
    .map(({ name }) => join(corpus, name))
    .sort()
}

/**
 * Copies a file, or a folder one or two of whose files are damaged. Returns the path to open.
 *
 * @param {string} seed
 * @param {string} target
 * @param {import('../random.mjs').Random} random
 */
async function copyDamaged(seed, target, random) {
  await rm(target, { recursive: true, force: true })
  if (!(await stat(seed)).isDirectory()) {
    await mkdir(target, { recursive: true })
    const copy = join(target, basename(seed))
    await writeFile(copy, mutate(await readFile(seed), random))
    return copy
  }
  const copy = join(target, basename(seed))
  await cp(seed, copy, { recursive: true })
  const entries = await readdir(copy, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map(fullPath)
  for (let count = 1 + random.integer(2); count > 0; count--) {
    const file = random.pick(files.sort())
    await writeFile(file, mutate(await readFile(file), random))
  }
  return files.find((file) => /\/labels\.\w+$/.test(file)) ?? copy
}

/** @param {import('node:fs').Dirent} entry */
function fullPath(entry) {
  return join(entry.parentPath ?? entry.path, entry.name)
}
