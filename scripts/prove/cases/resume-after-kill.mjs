import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Child, CLI, residual } from '../child.mjs'
import { Product } from '../product.mjs'
import { writeWithoutChecksums } from '../run/checkpoint-file.mjs'
import { findKillPlace, PLACES, readCheckpointSteps } from '../run/kill-place.mjs'
import { compareRuns } from '../run/run-comparison.mjs'
import { tinyConfig, writeIdxData } from '../tiny-data.mjs'

/** @typedef {import('../case.mjs').Context} Context */
/** @typedef {import('../random.mjs').Random} Random */
/** @typedef {import('../run/kill-place.mjs').Place} Place */

const KILLS = 100
/** Largest number of kills of one run. */
const KILLS_PER_RUN = 6
/** Number of configurations that are attacked at the same time. */
const PARALLEL = 2
/** Bound of the processes for each kill, since a run may end before it is killed. */
const PROCESSES_PER_KILL = 4

/**
 * @typedef {object} Setup
 * @property {string} name
 * @property {import('residual').TrainConfig} config
 * @property {boolean} [report] whether the run writes a report
 */

/** @type {readonly Setup[]} */
const SETUPS = [
  {
    name: 'checkpoints within an epoch, report',
    config: { checkpoint: { everySteps: 2, everyEpochs: 1 } },
    report: true,
  },
  { name: 'bf16', config: { precision: 'bf16', checkpoint: { everySteps: 3 } } },
  {
    name: 'mixup, label smoothing, two workers',
    config: {
      transform: { mix: { type: 'mixup', alpha: 0.4 }, flip: true },
      loss: { labelSmoothing: 0.1 },
      workers: 2,
      checkpoint: { everySteps: 4 },
    },
  },
  {
    name: 'Adam, EMA, gradient accumulation',
    config: {
      optimizer: { type: 'adam' },
      ema: { decay: 0.9 },
      gradient: { accumulate: 2, clipNorm: 1 },
      checkpoint: { everySteps: 1 },
    },
  },
  {
    name: 'plateau schedule, warm-up, early stopping, two threads',
    config: {
      schedule: { type: 'plateau', patience: 0, factor: 0.5 },
      warmup: { epochs: 1 },
      earlyStopping: { patience: 20 },
      threads: 2,
    },
  },
]

/** @type {import('../case.mjs').Case} */
export const resumeAfterKill = {
  name: 'resume-after-kill',
  title:
    'A run that is killed at any moment can be resumed, and ends as if it had not been killed.',
  attack:
    'Runs of `residual train` in five configurations are killed with SIGKILL, up to six times ' +
    'each: at random moments since their start, and shortly after events that precede a step, ' +
    'the write of a checkpoint, an evaluation or the report. After each kill `verify()` must ' +
    'find no damaged checkpoint, and `residual train --resume` (the same command again, if the ' +
    'run had not written config.json) must continue. At the end, all checkpoints (tensors, ' +
    'configuration, position), config.json, the metrics of all epochs, metrics.csv, ' +
    'evaluation.json and result.json must equal those of an undisturbed run to the bit, except ' +
    'for times and the path of the folder.',
  limits:
    'Steps after the last checkpoint are computed again. The kernel keeps running, so a power ' +
    'cut is not attacked; files are synced before they are renamed. On CUDA, or with another ' +
    'number of threads, results are not equal to the bit. The moments of the kills depend on ' +
    'the machine.',
  test: '__test__/run/killed.test.ts',
  timeoutSeconds: 1500,
  prove,
}

/** @param {Context} context */
async function prove(context) {
  const data = writeIdxData(join(context.folder, 'data'))
  const total = context.attempts(KILLS)
  /** @type {KillOutcome[]} */
  const outcomes = []
  /** @type {import('../case.mjs').Control} */
  const control = { fault: CONTROLS.map(({ fault }) => fault).join('; '), attempts: 0, detected: 0 }
  const setups = SETUPS.entries()
  // The configurations are attacked in parallel, so that a process starts while another one trains.
  await Promise.all(
    Array.from({ length: PARALLEL }, async () => {
      const product = new Product()
      for (const [index, setup] of setups) {
        const folder = join(context.folder, `setup-${index}`)
        const reference = await trainReference(setup, data, folder)
        const until = (/** @type {number} */ count) => Math.round((total * count) / SETUPS.length)
        const kills = until(index + 1) - until(index)
        outcomes.push(...(await killRuns(context, reference, kills, product)))
        for (const { detects } of CONTROLS) {
          control.attempts++
          if (await detects(reference, folder)) control.detected++
        }
        await rm(folder, { recursive: true })
        context.log(`  ${setup.name}: ${outcomes.length} of ${total} kills`)
      }
      await product.close()
    }),
  )

  const failed = outcomes.filter(({ problem }) => problem !== undefined)
  const countKills = (/** @type {Place} */ name) =>
    outcomes.filter(({ place }) => place === name).length
  return {
    attempts: outcomes.length,
    upheld: outcomes.length - failed.length,
    failures: failed.map(({ place, problem }) => `${place}: ${problem}`),
    measurements: [
      ...PLACES.map((place) => ({ label: `kills: ${place}`, value: countKills(place) })),
      { label: 'resumed runs', value: new Set(outcomes.map(({ run }) => run)).size },
    ],
    control,
  }
}

/**
 * An undisturbed run.
 *
 * @typedef {object} Reference
 * @property {Setup} setup
 * @property {string} run
 * @property {string} configFile
 * @property {string[]} args arguments of the command without `--out`
 * @property {number} totalSteps
 * @property {number} milliseconds duration of the process
 */

/**
 * @param {Setup} setup
 * @param {string} data
 * @param {string} folder
 * @returns {Promise<Reference>}
 */
async function trainReference(setup, data, folder) {
  await mkdir(folder)
  const { out: run = '', ...config } = tinyConfig(data, join(folder, 'reference'), setup.config)
  const configFile = join(folder, 'config.json')
  await writeFile(configFile, JSON.stringify({ epochs: 3, log: { everySteps: 1 }, ...config }))
  const options = ['--json', ...(setup.report ? [] : ['--no-report'])]
  const args = ['train', '--config', configFile, ...options]
  const start = performance.now()
  const { status, stderr } = await residual([...args, '--out', run])
  if (status !== 0) throw new Error(`${setup.name}: ${stderr}`)
  const milliseconds = performance.now() - start
  const { steps } = JSON.parse(await readFile(join(run, 'result.json'), 'utf8'))
  return { setup, run, configFile, args, totalSteps: steps, milliseconds }
}

/**
 * Outcome of a kill.
 *
 * @typedef {object} KillOutcome
 * @property {Place} place
 * @property {string} run folder of the killed run
 * @property {string} [problem] why the promise did not hold
 */

/**
 * Kills runs of a configuration until the number of kills is reached.
 *
 * @param {Context} context
 * @param {Reference} reference
 * @param {number} kills
 * @param {Product} product
 */
async function killRuns(context, reference, kills, product) {
  const random = context.random(reference.setup.name)
  /** @type {KillOutcome[]} */
  const outcomes = []
  let processes = PROCESSES_PER_KILL * kills
  for (let index = 0; outcomes.length < kills; index++) {
    const run = join(reference.run, '..', `killed-${index}`)
    const killsOfRun = Math.min(1 + random.integer(KILLS_PER_RUN), kills - outcomes.length)
    /** @type {KillOutcome[]} */
    const runOutcomes = []
    let isFinished = false
    while (runOutcomes.length < killsOfRun && !isFinished) {
      if (processes-- === 0)
        throw new Error(`${reference.setup.name}: too few processes were killed`)
      const outcome = await killOnce(reference, run, random, product)
      isFinished = outcome === undefined
      if (outcome !== undefined) runOutcomes.push(outcome)
    }
    const problem = await finish(reference, run, isFinished)
    outcomes.push(...runOutcomes.map((outcome) => ({ problem, ...outcome })))
    await rm(run, { recursive: true })
  }
  return outcomes
}

/**
 * Returns the command that starts a run, or resumes it if it has started.
 *
 * @param {Reference} reference
 * @param {string} run
 */
function createCommand({ args, setup }, run) {
  if (!existsSync(join(run, 'config.json'))) return [CLI, ...args, '--out', run]
  const options = setup.report ? [] : ['--no-report']
  return [CLI, 'train', '--resume', run, '--json', ...options]
}

/**
 * Starts or resumes a run and kills the process. Returns undefined if the process ended before.
 *
 * @param {Reference} reference
 * @param {string} run
 * @param {Random} random
 * @param {Product} product
 * @returns {Promise<KillOutcome | undefined>}
 */
async function killOnce(reference, run, random, product) {
  const stepsBefore = readCheckpointSteps(run)
  const child = Child.node(createCommand(reference, run))
  const printed = await killAtMoment(child, reference, run, random)
  const { signal, status, stderr } = await child.ended
  if (signal !== 'SIGKILL') {
    if (status === 0) return undefined
    return { place: 'start-up', run, problem: `the run failed: ${stderr.slice(0, 300)}` }
  }
  const place = findKillPlace(run, { printed, stepsBefore, totalSteps: reference.totalSteps })
  if (!existsSync(join(run, 'config.json'))) return { place, run }
  const { ok, error } = await product.call('verify', { path: run })
  if (error !== undefined) return { place, run, problem: `verify() failed: ${error.message}` }
  /** @type {{ file: string, status: string }[]} */
  const files = ok.files
  const damaged = files.find(
    (file) => file.status === 'damaged' && !/metrics|events/.test(file.file),
  )
  return { place, run, ...(damaged && { problem: `${damaged.file} is damaged` }) }
}

/**
 * Kills a process at a random moment. Returns the last event that the process printed.
 *
 * @param {Child} child
 * @param {Reference} reference
 * @param {string} run
 * @param {Random} random
 */
async function killAtMoment(child, reference, run, random) {
  const { trigger, milliseconds } = random.pick(listMoments(reference))
  const delay = random.next() * milliseconds
  /** @type {NodeJS.Timeout | undefined} */
  let timer
  const start = () => {
    timer ??= setTimeout(() => child.kill(), delay)
  }
  if (trigger === undefined) start()
  // The report is written after result.json and before the event of the end.
  const watch = setInterval(() => {
    if (trigger === 'result' && existsSync(join(run, 'result.json'))) start()
  }, 2)
  /** @type {Record<string, any> | undefined} */
  let printed
  for (let line = await child.readLine(); line !== undefined; line = await child.readLine()) {
    if (!line.endsWith('}')) continue
    printed = JSON.parse(line)
    const { type, step } = /** @type {Record<string, any>} */ (printed)
    const isLast = type === 'checkpoint' && step === reference.totalSteps
    if (type === trigger || (trigger === 'last' && isLast)) start()
  }
  await child.ended
  clearTimeout(timer)
  clearInterval(watch)
  return printed
}

/**
 * Returns events after which a run is killed, with the longest delay. Without an event, the delay
 * starts with the process.
 *
 * @param {Reference} reference
 */
function listMoments({ milliseconds, setup }) {
  return [
    { milliseconds },
    { trigger: 'start', milliseconds: 60 },
    { trigger: 'step', milliseconds: 100 },
    { trigger: 'checkpoint', milliseconds: 150 },
    { trigger: 'epoch', milliseconds: 30 },
    { trigger: 'epoch', milliseconds: 100 },
    { trigger: 'last', milliseconds: 40 },
    ...(setup.report ? [{ trigger: 'result', milliseconds: milliseconds / 2 }] : []),
  ]
}

/**
 * Resumes a run to its end and compares it with the undisturbed one. Returns the first difference.
 *
 * @param {Reference} reference
 * @param {string} run
 * @param {boolean} isFinished whether the run has ended already
 */
async function finish(reference, run, isFinished) {
  if (!isFinished) {
    const { status, stderr } = await Child.node(createCommand(reference, run)).close()
    if (status !== 0) return `resuming failed: ${stderr.slice(0, 300)}`
  }
  const report = join(run, 'report.html')
  if (reference.setup.report && !existsSync(report)) return 'report.html is missing'
  const [difference] = compareRuns(reference.run, run)
  return difference && `differs from the undisturbed run in ${difference}`
}

/**
 * @typedef {object} Fault
 * @property {string} fault
 * @property {(reference: Reference, folder: string) => Promise<boolean>} detects
 */

/**
 * Deliberate faults of a run, which the comparison must report.
 *
 * @type {readonly Fault[]}
 */
const CONTROLS = [
  {
    fault: 'a run with another seed',
    async detects({ run, args }, folder) {
      const other = join(folder, 'other-seed')
      await residual([...args, '--out', other, '--seed', '2'])
      return compareRuns(run, other).some((difference) => difference.includes('weight'))
    },
  },
  {
    fault: 'a run resumed from a checkpoint in which one value of the optimizer state is changed',
    async detects({ run, args }, folder) {
      const copy = join(folder, 'changed')
      await residual([...args, '--out', copy, '--epochs', '2'])
      const last = join(copy, 'checkpoints', 'last.safetensors')
      writeWithoutChecksums(last, last, changeOptimizerState)
      await residual(['train', '--resume', copy, '--epochs', '3', '--no-report', '--json'])
      return compareRuns(run, copy).some((difference) => difference.includes('weight'))
    },
  },
]

/**
 * @param {string} name
 * @param {Buffer} bytes
 */
function changeOptimizerState(name, bytes) {
  if (/^optimizer\..*conv1\.weight$/.test(name)) bytes.writeFloatLE(bytes.readFloatLE(0) + 0.1, 0)
}
