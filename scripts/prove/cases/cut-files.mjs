import { cp, readdir, readFile, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { Product } from '../product.mjs'
import { compareCheckpoints } from '../run/run-comparison.mjs'
import { tinyConfig, writeIdxData } from '../tiny-data.mjs'

/** @typedef {import('../case.mjs').Context} Context */
/** @typedef {import('../product.mjs').Outcome} Outcome */

/** Number of places at which each file is cut, in addition to being emptied and removed. */
const CUTS = 2
const EPOCHS = 2

/**
 * The messages of the product that a damaged file requires.
 *
 * @typedef {object} Expected
 * @property {string} file start of its name
 * @property {RegExp} [report] text of the report
 * @property {RegExp} [warning] warning of a resumed run
 * @property {boolean} [isOptional] whether `verify()` accepts that the file is missing or empty, as
 *   before the end of a run
 * @property {RegExp} [reportIfMissing] text of the report if the file is missing
 */

/** @type {readonly Expected[]} */
const FILES = [
  {
    file: 'metrics.jsonl',
    report: /metrics\.jsonl is (truncated|empty|missing)|of metrics\.jsonl that cannot be read/,
    warning: /metrics\.jsonl is damaged/,
  },
  { file: 'metrics.csv', warning: /metrics\.csv is damaged.*restored from metrics\.jsonl/ },
  {
    file: 'config.json',
    report: /config\.json cannot be read.*metrics\.jsonl/,
    warning: /config\.json is missing or damaged.*restored/,
  },
  {
    file: 'result.json',
    report: /result\.json cannot be read.*metrics\.jsonl/,
    reportIfMissing: /Summary/,
    isOptional: true,
  },
  {
    file: 'evaluation.json',
    report: /evaluation\.json cannot be read/,
    reportIfMissing: /Summary/,
    isOptional: true,
  },
  {
    file: 'environment.json',
    report: /environment\.json cannot be read/,
    reportIfMissing: /does not contain environment\.json/,
    isOptional: true,
  },
  { file: 'events.out.tfevents', isOptional: true },
]

/** @type {import('../case.mjs').Case} */
export const cutFiles = {
  name: 'cut-files',
  title:
    'A run folder whose files are cut off, empty or missing can be reported, compared and resumed.',
  attack:
    'Each file of a finished run except its checkpoints is cut off at random places within a ' +
    'line, emptied or removed. `verify()` must name the file; `report()` and the comparison ' +
    'with the intact run must be written and say which file is damaged and what replaces it; ' +
    'and the run, resumed for another epoch, must emit the documented warning and end with the ' +
    'checkpoints of the intact run resumed in the same way, with config.json and metrics.csv ' +
    'restored.',
  limits:
    'Epochs of a lost part of metrics.jsonl are missing in its curves. These files have no ' +
    'checksums: changed digits, and a log that is cut off exactly at the end of a line, are not ' +
    'detected. result.json, evaluation.json and environment.json may be missing without a ' +
    'message, since a run writes them at its end; report and comparison do not read metrics.csv ' +
    "and the file of TensorBoard. Damage of TensorBoard's file is named by `verify()` only.",
  test: '__test__/report/run-folder.test.ts',
  prove,
}

/** @param {Context} context */
async function prove(context) {
  const product = new Product()
  const data = writeIdxData(join(context.folder, 'data'))
  const run = join(context.folder, 'run')
  await trainRun(product, data, run, 1)
  const resumed = join(context.folder, 'resumed')
  await cp(run, resumed, { recursive: true })
  await resume(product, resumed)
  const names = (await readdir(run)).filter((name) =>
    FILES.some(({ file }) => name.startsWith(file)),
  )
  const outcomes = []
  for (const name of names) {
    for (const damage of await createDamages(context, join(run, name))) {
      const copy = join(context.folder, 'copy')
      await cp(run, copy, { recursive: true })
      await damage.apply(join(copy, name))
      const problem = await findProblem(product, { run, resumed, copy, name, damage })
      outcomes.push(problem && `${name} ${damage.name}: ${problem}`)
      await rm(copy, { recursive: true })
    }
    context.log(`  ${name}: ${outcomes.length} attempts so far`)
  }
  const control = await runControl(product, data, { run, resumed, folder: context.folder })
  await product.close()
  const failures = outcomes.filter((problem) => problem !== undefined)
  return {
    attempts: outcomes.length,
    upheld: outcomes.length - failures.length,
    failures,
    measurements: [
      { label: 'files', value: names.length },
      { label: 'damages of each file', value: outcomes.length / names.length },
    ],
    control,
  }
}

/**
 * @param {Product} product
 * @param {string} data
 * @param {string} out
 * @param {number} seed
 */
async function trainRun(product, data, out, seed) {
  const config = tinyConfig(data, out, { epochs: EPOCHS, log: { everySteps: 1 }, seed })
  const { error } = await product.call('train', { config })
  if (error !== undefined) throw new Error(error.message)
}

/**
 * @param {Product} product
 * @param {string} run
 */
function resume(product, run) {
  return product.call('train', { config: { resume: run, epochs: EPOCHS + 1 } })
}

/**
 * @typedef {object} Damage
 * @property {string} name
 * @property {'cut' | 'empty' | 'missing'} kind
 * @property {(file: string) => Promise<void>} apply
 */

/**
 * Returns damages of a file: cuts within a line, nothing left, no file.
 *
 * @param {Context} context
 * @param {string} file
 * @returns {Promise<Damage[]>}
 */
async function createDamages({ attempts, random }, file) {
  const { integer } = random(file.slice(file.lastIndexOf('/')))
  const text = await readFile(file, 'latin1')
  const isWithinLine = (/** @type {number} */ at) => text[at - 1] !== '\n'
  /** @type {Set<number>} */
  const places = new Set()
  // The last two bytes are skipped: without its newline, a JSON file is still complete.
  while (places.size < attempts(CUTS)) {
    const at = 1 + integer(text.length - 3)
    if (isWithinLine(at)) places.add(at)
  }
  /** @type {Damage[]} */
  const cuts = [...places].map((at) => ({
    name: `cut off after ${at} of ${text.length} bytes`,
    kind: 'cut',
    apply: (path) => truncate(path, at),
  }))
  return [
    ...cuts,
    { name: 'empty', kind: 'empty', apply: (path) => truncate(path, 0) },
    { name: 'missing', kind: 'missing', apply: (path) => rm(path) },
  ]
}

/**
 * @typedef {object} Attempt
 * @property {string} run the intact run
 * @property {string} resumed the intact run, resumed for another epoch
 * @property {string} copy the damaged copy
 * @property {string} name name of the damaged file
 * @property {Damage} damage
 */

/**
 * Returns why the promise does not hold for a damaged run folder.
 *
 * @param {Product} product
 * @param {Attempt} attempt
 */
async function findProblem(product, attempt) {
  const expected = /** @type {Expected} */ (FILES.find(({ file }) => attempt.name.startsWith(file)))
  return (
    (await findVerifyProblem(product, attempt, expected)) ??
    (await findReportProblem(product, attempt, expected)) ??
    (await findResumeProblem(product, attempt, expected))
  )
}

/**
 * @param {Product} product
 * @param {Attempt} attempt
 * @param {Expected} expected
 */
async function findVerifyProblem(product, { copy, name, damage }, { isOptional = false, file }) {
  const { ok, error } = await product.call('verify', { path: copy })
  if (error !== undefined) return `verify() failed: ${error.message}`
  /** @type {{ file: string, status: string }[]} */
  const files = ok.files
  const bad = files
    .filter(({ status }) => status !== 'ok')
    .map((bad) => `${bad.file} ${bad.status}`)
  const isAccepted =
    isOptional &&
    (damage.kind === 'missing' || (damage.kind === 'empty' && file.startsWith('events')))
  const status = damage.kind === 'missing' ? 'missing' : 'damaged'
  const should = isAccepted ? '' : `${name} ${status}`
  return bad.join() === should ? undefined : `verify() reports '${bad}' instead of '${should}'`
}

/**
 * @param {Product} product
 * @param {Attempt} attempt
 * @param {Expected} expected
 */
async function findReportProblem(product, { run, copy, damage }, { report, reportIfMissing }) {
  const wanted = damage.kind === 'missing' ? (reportIfMissing ?? report) : report
  for (const [name, path] of /** @type {const} */ ([
    ['report', copy],
    ['comparison', [run, copy]],
  ])) {
    const out = join(copy, `${name}.html`)
    const { error } = await product.call('report', { path, out })
    if (error !== undefined) return `the ${name} failed: ${error.message}`
    const text = extractText(await readFile(out, 'utf8'))
    if (!text.includes('copy')) return `the ${name} does not name the run`
    // A comparison shows only the damage of files, not which sections are missing.
    const isNeeded = name === 'report' || wanted !== reportIfMissing
    if (wanted !== undefined && isNeeded && !wanted.test(text))
      return `the ${name} has no ${wanted}`
  }
  return undefined
}

/**
 * Returns the visible text of a page without its charts.
 *
 * @param {string} html
 */
function extractText(html) {
  return html
    .replace(/<(style|svg)[\s\S]*?<\/\1>/g, '')
    .replace(/<[^>]*>/g, '')
    .replace(/\s+/g, ' ')
}

/**
 * @param {Product} product
 * @param {Attempt} attempt
 * @param {Expected} expected
 */
async function findResumeProblem(product, { resumed, copy, name, damage }, { warning }) {
  const { error, warnings } = await resume(product, copy)
  if (error !== undefined) return `resuming failed: ${error.message}`
  // A cut in the last lines of a log may lose no epoch. Then no warning is necessary.
  const losesEpoch = name !== 'metrics.jsonl' || damage.kind !== 'cut' || !(await hasEpochs(copy))
  if (warning !== undefined && losesEpoch && !warnings.some((text) => warning.test(text))) {
    return `no warning ${warning}, but '${warnings}'`
  }
  return findDifference(resumed, copy)
}

/**
 * Returns whether the log of a run has an entry for each epoch.
 *
 * @param {string} run
 */
async function hasEpochs(run) {
  const log = await readFile(join(run, 'metrics.jsonl'), 'utf8')
  return [...log.matchAll(/"type":"epoch"/g)].length === EPOCHS + 1
}

/**
 * Returns the first difference between two resumed runs.
 *
 * @param {string} expected
 * @param {string} run
 */
async function findDifference(expected, run) {
  for (const name of ['last.safetensors', 'best.safetensors']) {
    const path = join('checkpoints', name)
    const [difference] = compareCheckpoints(join(expected, path), join(run, path))
    if (difference !== undefined) return `the resumed ${name} differs in ${difference}`
  }
  const texts = await Promise.all(
    [expected, run].map(async (folder) => {
      const { out: _, ...config } = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'))
      return JSON.stringify(config)
    }),
  )
  return texts[0] === texts[1] ? undefined : 'config.json of the resumed run differs'
}

/**
 * Applies the checks to an intact run, in which no damage may be found, and to a run with another
 * seed, which must differ.
 *
 * @param {Product} product
 * @param {string} data
 * @param {{ run: string, resumed: string, folder: string }} folders
 * @returns {Promise<import('../case.mjs').Control>}
 */
async function runControl(product, data, { run, resumed, folder }) {
  const copy = join(folder, 'copy')
  const names = ['metrics.jsonl', 'config.json', 'result.json', 'evaluation.json']
  let detected = 0
  for (const name of names) {
    await cp(run, copy, { recursive: true })
    /** @type {Damage} */
    const damage = { name: 'intact', kind: 'cut', apply: async () => {} }
    if ((await findProblem(product, { run, resumed, copy, name, damage })) !== undefined) detected++
    await rm(copy, { recursive: true })
  }
  await trainRun(product, data, copy, 2)
  await resume(product, copy)
  const [expected, other] = [resumed, copy].map((run) => join(run, 'checkpoints/last.safetensors'))
  if (compareCheckpoints(expected, other).some((name) => name.endsWith('.weight'))) detected++
  return {
    fault: 'files that are not damaged, for which no damage is reported; a run with another seed',
    attempts: names.length + 1,
    detected,
  }
}
