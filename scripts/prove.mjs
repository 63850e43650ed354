// npm run prove: attacks every promise of docs/guarantees.md.
//
//   npm run prove                                   all cases, and generates docs/guarantees.md
//   npm run prove -- --case damaged-checkpoint      some cases, separated by commas
//   npm run prove -- --from docs/guarantees.json    generates docs/guarantees.md without an attack
//
//   --list          print the names of the cases
//   --minutes N     minutes of the case flat-memory (1)
//   --quick         a twentieth of the attempts, for a functional test
//   --document      generate docs/guarantees.md also after some cases
//   --out FILE      path of the record (runs/prove/guarantees.json)
//   --no-build      use the existing build
//
// See CONTRIBUTING.md.

import { rmSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { describeMachine } from './bench/machine.mjs'
import { build } from './build.mjs'
import { isProven } from './prove/case.mjs'
import { CASES } from './prove/cases/all.mjs'
import { killAll } from './prove/child.mjs'
import { toDocument } from './prove/document.mjs'
import { createRandom } from './prove/random.mjs'
import {
  addProof,
  continueRecord,
  GUARANTEES_FILE,
  readRecord,
  writeRecord,
} from './prove/record.mjs'
import { BuildError } from './setup/error.mjs'
import { ROOT, runScript } from './setup.mjs'

/** @typedef {import('./prove/case.mjs').Case} Case */
/** @typedef {import('./prove/case.mjs').Context} Context */
/** @typedef {import('./prove/case.mjs').Result} Result */
/** @typedef {import('./prove/record.mjs').GuaranteesRecord} GuaranteesRecord */
/** @typedef {import('./prove/record.mjs').ProofRecord} ProofRecord */

const COMMAND = 'npm run prove'
const DOCUMENT = join(ROOT, 'docs', 'guarantees.md')
const TIMEOUT_SECONDS = 900
const DEFAULT_MINUTES = 1
/** Fraction of the attempts with `--quick`. */
const QUICK = 1 / 20
/** Maximum number of failed attempts that a record describes. */
const MAX_FAILURES = 10

/** @param {string} line */
function log(line) {
  process.stderr.write(`prove: ${line}\n`)
}

/**
 * Finds cases by name.
 *
 * @param {string} list names, separated by commas
 * @returns {Case[]}
 */
function findCases(list) {
  return list.split(',').map((name) => {
    const found = CASES.find((candidate) => candidate.name === name)
    if (found === undefined) {
      throw new BuildError(`--case: unknown case ${name}; --list prints the names`)
    }
    return found
  })
}

function parseOptions() {
  return parseArgs({
    options: {
      case: { type: 'string' },
      document: { type: 'boolean', default: false },
      from: { type: 'string' },
      list: { type: 'boolean', default: false },
      minutes: { type: 'string', default: `${DEFAULT_MINUTES}` },
      'no-build': { type: 'boolean', default: false },
      out: { type: 'string', default: join(ROOT, 'runs', 'prove', 'guarantees.json') },
      quick: { type: 'boolean', default: false },
    },
  }).values
}

/**
 * Writes docs/guarantees.md with its record.
 *
 * @param {GuaranteesRecord} record
 */
async function writeDocument(record) {
  await writeFile(DOCUMENT, toDocument(record, CASES))
  await writeRecord(GUARANTEES_FILE, record)
}

/**
 * Attacks a promise in a temporary folder and ends the processes that the case left. An error is
 * recorded and does not prevent other cases.
 *
 * @param {Case} proofCase
 * @param {Omit<Context, 'folder' | 'random' | 'golden'>} shared
 * @param {GuaranteesRecord} record
 * @returns {Promise<{ proof: ProofRecord, golden: Record<string, string> }>}
 */
async function prove({ prove, timeoutSeconds = TIMEOUT_SECONDS, ...header }, shared, record) {
  const { name, title, attack, limits, test } = header
  const isTimed = header.usesMinutes === true && shared.minutes !== DEFAULT_MINUTES
  log(`${name}: ${title}`)
  const folder = await mkdtemp(join(tmpdir(), 'residual-prove-'))
  const removeFolder = () => rmSync(folder, { recursive: true, force: true })
  process.on('exit', removeFolder)
  const start = performance.now()
  /** @returns {ProofRecord} */
  const toProof = (/** @type {Partial<ProofRecord>} */ outcome) => ({
    ...{ name, title, attack, limits, test },
    command: `${COMMAND} -- --case ${name}${isTimed ? ` --minutes ${shared.minutes}` : ''}`,
    ...(isTimed && { addedMinutes: shared.minutes - DEFAULT_MINUTES }),
    date: new Date().toISOString(),
    commit: shared.machine.commit,
    seconds: (performance.now() - start) / 1000,
    ...outcome,
  })
  try {
    const random = (salt = '') => createRandom(`${name} ${salt}`)
    const golden = record.golden[name] ?? {}
    const result = await withTimeout(prove({ ...shared, folder, random, golden }), timeoutSeconds)
    const { golden: newGolden = {}, failures = [], ...rest } = result
    const proof = toProof({ result: { ...rest, failures: failures.slice(0, MAX_FAILURES) } })
    return { proof, golden: newGolden }
  } catch (cause) {
    const { message, stack } = /** @type {Error} */ (cause)
    log(`${name} failed: ${stack}`)
    const [first] = message.split('\n')
    const error = first.replaceAll(ROOT, '.').replaceAll(folder, '.')
    return { proof: toProof({ error }), golden: {} }
  } finally {
    killAll()
    process.off('exit', removeFolder)
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/**
 * Waits for a promise, but rejects after a time.
 *
 * @template T
 * @param {Promise<T>} promise
 * @param {number} seconds
 * @returns {Promise<T>}
 */
async function withTimeout(promise, seconds) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer
  /** @type {Promise<never>} */
  const expired = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not finished in ${seconds} s`)), seconds * 1000)
  })
  try {
    return await Promise.race([promise, expired])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Prints the outcome of a case. Returns whether the promise is proven.
 *
 * @param {ProofRecord} proof
 */
function logOutcome({ name, seconds, result, error }) {
  const time = `${Math.round(seconds)} s`
  if (result === undefined) {
    log(`${name}: failed after ${time}: ${error}`)
    return false
  }
  const { attempts, upheld, control, failures = [], notes = [] } = result
  const detected = `negative control ${control.detected} of ${control.attempts} detected`
  log(`${name}: ${upheld} of ${attempts} upheld, ${detected}, ${time}`)
  for (const line of [...failures, ...notes]) log(`  ${line}`)
  return isProven(result)
}

await runScript(import.meta.url, async () => {
  const options = parseOptions()
  if (options.list) {
    for (const { name, title } of CASES) process.stdout.write(`${name.padEnd(24)} ${title}\n`)
    return
  }
  if (options.from !== undefined) {
    await writeDocument(await readRecord(options.from))
    return
  }
  const cases = options.case === undefined ? CASES : findCases(options.case)

  if (!options['no-build']) await build()
  const machine = await describeMachine()
  const record = await continueRecord(options.out, { command: COMMAND, machine })
  const published = await readRecord(GUARANTEES_FILE).catch(() => undefined)
  record.golden = { ...record.golden, ...published?.golden }
  const attempts = (/** @type {number} */ count) =>
    options.quick ? Math.ceil(count * QUICK) : count
  const minutes = Number(options.minutes)
  if (!(minutes > 0)) throw new BuildError('--minutes must be a positive number')
  const order = CASES.map(({ name }) => name)
  for (const proofCase of cases) {
    const { proof, golden } = await prove(proofCase, { attempts, minutes, machine, log }, record)
    if (!logOutcome(proof)) process.exitCode = 1
    addProof(record, proof, order)
    if (Object.keys(golden).length > 0) {
      record.golden[proof.name] = { ...golden, ...record.golden[proof.name] }
    }
    // Written after every case, so that only the current case is lost by an interruption.
    await writeRecord(options.out, record)
  }
  log(relative(process.cwd(), options.out))
  if ((cases === CASES && !options.quick) || options.document) await writeDocument(record)
})
