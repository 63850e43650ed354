// How fast this is beside PyTorch and onnxruntime on this machine, and how light.
//
//   npm run bench                                everything, and docs/performance.md from it
//   npm run bench -- --case train-resnet20       some cases (comma between); docs stay as they are
//   npm run bench -- --from docs/performance.json    docs/performance.md from what was measured before
//
//   --list          the cases' names
//   --rounds 5      of each case
//   --data FOLDER   JPEGs, instead of made-up ones, for the case jpeg-folder
//   --quick         two rounds of short slices, without torch.compile: to see that it works
//   --document      write docs/performance.md also after some cases
//   --rechoose      try anew which way of using PyTorch is the best
//   --out FILE      where the record goes (runs/bench/performance.json)
//   --no-build      use what is built
//
// Sets up what it needs: the addon, a Python environment with PyTorch. See CONTRIBUTING.md.

import { rmSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { Choices } from './bench/candidates.mjs'
import { CASES } from './bench/cases/all.mjs'
import { makeCifar, makePhotographs } from './bench/data.mjs'
import { toDocument } from './bench/document.mjs'
import { figure } from './bench/figure.mjs'
import { foreignShare, machine } from './bench/machine.mjs'
import { addCase, continueRecord, readRecord, writeRecord } from './bench/record.mjs'
import { build, TARGET } from './build.mjs'
import { venvPython } from './oracle/venv.mjs'
import { run } from './setup/command.mjs'
import { BuildError } from './setup/error.mjs'
import { ROOT, runScript, setup } from './setup.mjs'

/** @typedef {import('./bench/cases/case.mjs').Case} Case */
/** @typedef {import('./bench/cases/case.mjs').Context} Context */
/** @typedef {import('./bench/record.mjs').Record} Record */
/** @typedef {import('./bench/record.mjs').Measured} Measured */

const RUNS = join(ROOT, 'runs', 'bench')
const DOCS = join(ROOT, 'docs')
const FIGURE = 'performance.svg'

const SLICE_SECONDS = 1.5
const QUICK = { rounds: 2, sliceSeconds: 0.3 }

/** @param {string} line */
function log(line) {
  process.stderr.write(`bench: ${line}\n`)
}

/**
 * Writes docs/performance.md, with its figure and what it is made of.
 *
 * @param {Record} record
 */
async function writeDocument(record) {
  await writeFile(join(DOCS, FIGURE), await figure(record))
  await writeFile(join(DOCS, 'performance.md'), toDocument(record, FIGURE))
  await writeRecord(join(DOCS, 'performance.json'), record)
  log('docs/performance.md')
}

/** The program that makes batches of ours without libtorch. */
async function buildBatches() {
  const { cargoEnv } = await setup()
  const example = ['--workspace', '--example', 'bench_batches']
  const { status } = await run('cargo', ['build', '--release', '--target', TARGET, ...example], {
    ...{ cwd: ROOT, env: cargoEnv, output: 'show' },
  })
  if (status !== 0) throw new BuildError(`cargo build failed (exit status ${status})`)
  return join(ROOT, 'target', TARGET, 'release', 'examples', 'bench_batches')
}

/**
 * What is made once, when it is first needed.
 *
 * @template T
 * @param {() => Promise<T>} make
 */
function once(make) {
  /** @type {Promise<T> | undefined} */
  let made
  return () => {
    made ??= make()
    return made
  }
}

/**
 * @param {string} list names, with commas between
 * @returns {Case[]}
 */
function named(list) {
  return list.split(',').map((name) => {
    const found = CASES.find((one) => one.name === name)
    if (found === undefined) {
      throw new BuildError(`--case: there is no case ${name}; --list names those that there are`)
    }
    return found
  })
}

/**
 * Measures a case; a failure is what was measured, and the others go on.
 *
 * @param {Case} one
 * @param {Context} context
 * @param {string} commit
 * @returns {Promise<Measured>}
 */
async function measure({ name, title, about, measure }, context, commit) {
  log(title)
  const begin = performance.now()
  const { rounds, foreign } = context.game
  const head = { name, title, about, date: new Date().toISOString(), commit, rounds, foreign }
  const seconds = () => (performance.now() - begin) / 1000
  try {
    const result = await measure(context)
    return { ...head, seconds: seconds(), result }
  } catch (error) {
    log(`${name} failed: ${/** @type {Error} */ (error).message}`)
    const [first] = String(/** @type {Error} */ (error).message).split('\n')
    return { ...head, seconds: seconds(), error: first.replaceAll(ROOT, '.') }
  }
}

/**
 * The command that measures the same again, without where things are on this machine.
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

await runScript(import.meta.url, async () => {
  const { values } = parseArgs({
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
  })
  if (values.list) {
    for (const { name, title } of CASES) process.stdout.write(`${name.padEnd(20)} ${title}\n`)
    return
  }
  if (values.from !== undefined) {
    await writeDocument(await readRecord(values.from))
    return
  }
  const rounds = Number(values.rounds ?? (values.quick ? QUICK.rounds : 5))
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new BuildError('--rounds: a whole number, 1 or more')
  }
  const cases = values.case === undefined ? CASES : named(values.case)

  if (!values['no-build']) await build()
  const python = await venvPython()
  const here = await machine(python)
  const { commit: _, ...signature } = here
  const folder = await mkdtemp(join(tmpdir(), 'residual-bench-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  const foreign = await foreignShare()
  if (foreign > 0.05) log(`others use ${Math.round(100 * foreign)} % of this machine`)
  const choicesFile = join(RUNS, 'candidates.json')
  if (values.rechoose) await rm(choicesFile, { force: true })
  const given = values.data
  /** @type {Context} */
  const context = {
    game: {
      rounds,
      repeats: rounds,
      foreign,
      sliceSeconds: values.quick ? QUICK.sliceSeconds : SLICE_SECONDS,
      compile: !values.quick,
      log,
    },
    quick: values.quick,
    cores: availableParallelism(),
    python,
    choices: new Choices(choicesFile, JSON.stringify(signature), foreign),
    folder,
    photographs: once(async () =>
      given === undefined ? await makePhotographs(folder, python) : resolve(given),
    ),
    cifar: once(() => makeCifar(folder)),
    batches: once(buildBatches),
    log,
  }
  const command = commandLine(values)
  const record = await continueRecord(values.out, { command, machine: here })
  const order = CASES.map(({ name }) => name)
  let failed = false
  for (const one of cases) {
    const measured = await measure(one, context, here.commit)
    failed ||= measured.error !== undefined
    addCase(record, measured, order)
    // What is measured is kept, whatever comes.
    await writeRecord(values.out, record)
  }
  const measured = new Set(cases.map(({ name }) => name))
  const now = { ...record, cases: record.cases.filter(({ name }) => measured.has(name)) }
  process.stdout.write(toDocument(now, FIGURE))
  log(relative(process.cwd(), values.out))
  const whole = cases === CASES && !values.quick
  if (whole || values.document) await writeDocument(record)
  if (failed) process.exitCode = 1
})
