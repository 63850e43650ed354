// npm run bench: compares speed, memory use and package size with PyTorch and onnxruntime.
//
//   npm run bench                                    all cases, and generates docs/performance.md
//   npm run bench -- --case train-resnet20           some cases, separated by commas
//   npm run bench -- --from docs/performance.json    generates docs/performance.md without measuring
//
//   --list          print the names of the cases
//   --rounds 5      rounds per case
//   --data FOLDER   JPEGs for the case jpeg-folder, instead of synthetic ones
//   --quick         two rounds of short slices, without torch.compile, for a functional test
//   --document      generate docs/performance.md also after some cases
//   --rechoose      select the fastest PyTorch configuration again
//   --out FILE      path of the record (runs/bench/performance.json)
//   --no-build      use the existing build
//
// Sets up the addon and a Python environment with PyTorch. See CONTRIBUTING.md.

import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { CASES } from './bench/cases/all.mjs'
import { toDocument } from './bench/document.mjs'
import { FIGURE, writeDocument } from './bench/document-files.mjs'
import { describeMachine, otherCpuLoad } from './bench/machine.mjs'
import { ChoiceCache } from './bench/pytorch-configs.mjs'
import { addCase, continueRecord, readRecord, writeRecord } from './bench/record.mjs'
import { createCifar, createJpegFolder } from './bench/synthetic-data.mjs'
import { build, step, TARGET } from './build.mjs'
import { venvPython } from './oracle/venv.mjs'
import { BuildError } from './setup/error.mjs'
import { ROOT, runScript, setup } from './setup.mjs'

/** @typedef {import('./bench/cases/case.mjs').Case} Case */
/** @typedef {import('./bench/cases/case.mjs').Context} Context */
/** @typedef {import('./bench/record.mjs').BenchRecord} BenchRecord */
/** @typedef {import('./bench/record.mjs').CaseRecord} CaseRecord */

const RUNS = join(ROOT, 'runs', 'bench')

const SLICE_SECONDS = 1.5
const QUICK = { rounds: 2, sliceSeconds: 0.3 }

/** @param {string} line */
function log(line) {
  process.stderr.write(`bench: ${line}\n`)
}

/** Builds the program that loads batches without libtorch. Returns its path. */
async function buildLoaderProgram() {
  const { cargoEnv } = await setup()
  const example = ['--workspace', '--example', 'bench_batches']
  const args = ['build', '--release', '--target', TARGET, ...example]
  await step('cargo build', 'cargo', args, cargoEnv)
  return join(ROOT, 'target', TARGET, 'release', 'examples', 'bench_batches')
}

/**
 * Returns a function that calls `create` once and then returns its result.
 *
 * @template T
 * @param {() => Promise<T>} create
 */
function once(create) {
  /** @type {Promise<T> | undefined} */
  let result
  return () => {
    result ??= create()
    return result
  }
}

/**
 * @param {string} list names, separated by commas
 * @returns {Case[]}
 */
function casesByName(list) {
  return list.split(',').map((name) => {
    const found = CASES.find((benchCase) => benchCase.name === name)
    if (found === undefined) {
      throw new BuildError(`--case: unknown case ${name}; --list prints the names`)
    }
    return found
  })
}

/**
 * Measures a case. An error is recorded and does not prevent the measurement of other cases.
 *
 * @param {Case} benchCase
 * @param {Context} context
 * @param {string} commit
 * @returns {Promise<CaseRecord>}
 */
async function measure({ name, title, about, measure }, context, commit) {
  log(title)
  const start = performance.now()
  const { rounds, otherLoad } = context.settings
  const header = { name, title, about, date: new Date().toISOString(), commit, rounds, otherLoad }
  const seconds = () => (performance.now() - start) / 1000
  try {
    const result = await measure(context)
    return { ...header, seconds: seconds(), result }
  } catch (error) {
    log(`${name} failed: ${/** @type {Error} */ (error).message}`)
    const [first] = String(/** @type {Error} */ (error).message).split('\n')
    return { ...header, seconds: seconds(), error: first.replaceAll(ROOT, '.') }
  }
}

/**
 * Returns the command that repeats the measurement, without paths of this machine.
 *
 * @param {{ data?: string, quick: boolean, rounds?: string }} values
 */
function commandLine({ data, quick, rounds }) {
  const flags = [
    ...(data === undefined ? [] : ['--data FOLDER']),
    ...(quick ? ['--quick'] : []),
    ...(rounds === undefined ? [] : [`--rounds ${rounds}`]),
  ]
  return ['npm run bench', ...(flags.length > 0 ? ['--', ...flags] : [])].join(' ')
}

function parseOptions() {
  return parseArgs({
    options: {
      case: { type: 'string' },
      data: { type: 'string' },
      document: { type: 'boolean', default: false },
      from: { type: 'string' },
      list: { type: 'boolean', default: false },
      'no-build': { type: 'boolean', default: false },
      out: { type: 'string', default: join(RUNS, 'performance.json') },
      quick: { type: 'boolean', default: false },
      rechoose: { type: 'boolean', default: false },
      rounds: { type: 'string' },
    },
  }).values
}

/** @typedef {ReturnType<typeof parseOptions>} Options */

/**
 * @param {Options} options
 * @param {string} python
 * @param {import('./bench/machine.mjs').Machine} machine
 * @returns {Promise<Context>}
 */
async function createContext({ quick, rounds: roundsOption, rechoose, data }, python, machine) {
  const rounds = Number(roundsOption ?? (quick ? QUICK.rounds : 5))
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new BuildError('--rounds: expected an integer of at least 1')
  }
  const folder = await mkdtemp(join(tmpdir(), 'residual-bench-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  const otherLoad = await otherCpuLoad()
  if (otherLoad > 0.05) log(`other processes use ${Math.round(100 * otherLoad)} % of this machine`)
  const choicesFile = join(RUNS, 'pytorch-configs.json')
  if (rechoose) await rm(choicesFile, { force: true })
  const { commit: _, ...hardwareAndVersions } = machine
  return {
    settings: {
      rounds,
      repeats: rounds,
      otherLoad,
      sliceSeconds: quick ? QUICK.sliceSeconds : SLICE_SECONDS,
      compile: !quick,
      log,
    },
    quick,
    cores: availableParallelism(),
    python,
    choices: new ChoiceCache(choicesFile, JSON.stringify(hardwareAndVersions), otherLoad),
    folder,
    jpegs: once(async () =>
      data === undefined ? await createJpegFolder(folder, python) : resolve(data),
    ),
    cifar: once(() => createCifar(folder)),
    loaderProgram: once(buildLoaderProgram),
    log,
  }
}

await runScript(import.meta.url, async () => {
  const options = parseOptions()
  if (options.list) {
    for (const { name, title } of CASES) process.stdout.write(`${name.padEnd(20)} ${title}\n`)
    return
  }
  if (options.from !== undefined) {
    await writeDocument(await readRecord(options.from))
    return
  }
  const cases = options.case === undefined ? CASES : casesByName(options.case)

  if (!options['no-build']) await build()
  const python = await venvPython()
  const machine = await describeMachine(python)
  const context = await createContext(options, python, machine)
  const command = commandLine(options)
  const record = await continueRecord(options.out, { command, machine })
  const order = CASES.map(({ name }) => name)
  let hasFailed = false
  for (const benchCase of cases) {
    const measured = await measure(benchCase, context, machine.commit)
    hasFailed ||= measured.error !== undefined
    addCase(record, measured, order)
    // Written after every case, so that only the current case is lost if the benchmark is
    // interrupted.
    await writeRecord(options.out, record)
  }
  const names = new Set(cases.map(({ name }) => name))
  const current = { ...record, cases: record.cases.filter(({ name }) => names.has(name)) }
  process.stdout.write(toDocument(current, FIGURE))
  log(relative(process.cwd(), options.out))
  const isComplete = cases === CASES && !options.quick
  if (isComplete || options.document) await writeDocument(record)
  if (hasFailed) process.exitCode = 1
})
