import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { train } from '../api/run/train.js'
import type { DownloadProgress } from '../download/fetch-file.js'
import { AbortError, ResidualError } from '../errors/errors.js'
import { serializeConfig } from '../native/arguments/serialize-config.js'
import type {
  EpochEvent,
  RunEvent,
  StartEvent,
  TrainConfig,
  TrainResult,
} from '../native/generated.js'
import { readJson, readJsonLines, replaceFile } from '../run-folder/json-files.js'

/** A run of an experiment before it is trained. */
export interface PlannedRun {
  /** Name of the run folder, unique in the experiment. */
  name: string
  /** Configuration without `out`. */
  config: TrainConfig
}

/** A finished run of an experiment. */
export interface ExperimentRun {
  name: string
  /** Absolute path of the run folder. */
  dir: string
  start: StartEvent
  epochs: EpochEvent[]
  result: TrainResult
}

/** The start of a run of an experiment. */
export interface MemberEvent {
  type: 'member'
  member: string
  /** Number of the run, from 1. */
  index: number
  /** Number of runs in the experiment. */
  count: number
  /** `reused`: a finished run with the same configuration exists. */
  state: 'new' | 'resumed' | 'reused'
}

/** An event of an experiment: the start of a run, or an event of the current run. */
export type ExperimentEvent = MemberEvent | (RunEvent & { member: string })

/** Options of an experiment that are not plain data. */
export interface ExperimentOptions {
  /**
   * Stops the experiment within one step, after saving. The promise rejects with an `AbortError`;
   * the same call resumes the experiment.
   */
  signal?: AbortSignal | undefined
  onEvent?: ((event: ExperimentEvent) => void) | undefined
  /** Called during downloads of data sets and pretrained weights. */
  onDownload?: ((progress: DownloadProgress) => void) | undefined
}

/** Contents of experiment.json: the configuration of every run. */
interface ExperimentRecord {
  experiment: string
  members: Record<string, Record<string, unknown>>
}

const RECORD_FILE = 'experiment.json'

/** Keys that may change between sessions of a run; the core allows the same keys on resume. */
const CHANGEABLE_KEYS = ['threads', 'workers', 'checkpoint', 'log', 'out', 'overwrite']

/**
 * Trains runs one after another, each in its own folder below `out`. Finished runs are reused and
 * interrupted runs are resumed.
 *
 * @throws {ResidualError} `E_MISMATCH` if a run exists with another configuration or data set;
 *   `AbortError`; and the errors of `train()`
 */
export async function trainRuns(
  experiment: string,
  out: string,
  plans: readonly PlannedRun[],
  { overwrite, ...options }: ExperimentOptions & { overwrite: boolean },
): Promise<ExperimentRun[]> {
  const record = readRecord(out, experiment, overwrite)
  const configs = plans.map(({ name, config }) => comparableConfig(name, config))
  if (!overwrite) {
    for (const [index, { name }] of plans.entries()) {
      checkSameConfig(out, name, record.members[name], configs[index])
    }
  }
  const runs: ExperimentRun[] = []
  for (const [index, plan] of plans.entries()) {
    record.members[plan.name] = configs[index] as Record<string, unknown>
    replaceFile(join(out, RECORD_FILE), `${JSON.stringify(record, null, 2)}\n`)
    const position = { index, count: plans.length, overwrite }
    const run = await trainRun(out, plan, { ...position, ...options })
    checkSameData(runs[0], run)
    runs.push(run)
  }
  return runs
}

interface RunOptions extends ExperimentOptions {
  index: number
  count: number
  overwrite: boolean
}

async function trainRun(
  out: string,
  { name, config }: PlannedRun,
  options: RunOptions,
): Promise<ExperimentRun> {
  const dir = resolve(out, 'runs', name)
  const { index, count, overwrite, signal, onDownload, onEvent = () => {} } = options
  const emitState = (state: MemberEvent['state']) =>
    onEvent({ type: 'member', member: name, index: index + 1, count, state })
  if (signal?.aborted) throw interruptedError(name, undefined, signal)

  const finished = overwrite ? undefined : readRun(name, dir)
  if (finished !== undefined) {
    emitState('reused')
    return finished
  }
  // An interrupted run without a checkpoint starts again.
  const canResume = !overwrite && existsSync(join(dir, 'checkpoints', 'last.safetensors'))
  emitState(canResume ? 'resumed' : 'new')
  const runConfig = canResume ? { resume: dir } : { ...config, out: dir, overwrite: true }
  const run = train(runConfig, { signal, onDownload })
  try {
    for await (const event of run) onEvent({ ...event, member: name })
    await run
  } catch (error) {
    run.stop() // `onEvent` may have thrown the error while the run continues
    await run.then(
      () => {},
      () => {},
    )
    if (error instanceof AbortError) throw interruptedError(name, error.checkpoint, signal)
    if (!(error instanceof ResidualError)) throw error
    const { code, message, at, hint } = error
    const named = { code, message: `${name}: ${message}`, at, ...(hint && { hint }) }
    throw new ResidualError(named, { cause: error })
  }
  const trained = readRun(name, dir)
  if (trained !== undefined) return trained
  // The run was stopped without an error, for example by the dashboard or at exit of the process.
  throw interruptedError(name, run.checkpoint, signal)
}

function interruptedError(
  name: string,
  checkpoint: string | undefined,
  signal: AbortSignal | undefined,
): AbortError {
  const hint = 'Repeat the same call or command to resume.'
  return new AbortError(`interrupted during ${name}`, checkpoint, signal?.reason, hint)
}

/** Reads a run from its folder; undefined if it is not finished. */
function readRun(name: string, dir: string): ExperimentRun | undefined {
  const result = readJson<TrainResult>(join(dir, 'result.json'))
  if (result === undefined || result.stopReason === 'stopped') return undefined
  const events = readJsonLines<RunEvent>(join(dir, 'metrics.jsonl'))
  const start = events.findLast((event) => event.type === 'start')
  if (start === undefined) return undefined
  const epochs = events.filter((event) => event.type === 'epoch')
  // `dir` replaces the recorded path, because the folder may have been moved.
  return { name, dir, start, epochs, result: { ...result, dir } }
}

function readRecord(out: string, experiment: string, overwrite: boolean): ExperimentRecord {
  const record = overwrite ? undefined : readJson<ExperimentRecord>(join(out, RECORD_FILE))
  if (record === undefined) return { experiment, members: {} }
  if (record.experiment === experiment && typeof record.members === 'object') return record
  throw new ResidualError({
    code: 'E_OUT_EXISTS',
    message: `${out} contains another experiment (${record.experiment})`,
    at: { key: 'out', file: out },
    hint: 'Set `out` to another folder.',
  })
}

/** Returns the part of a configuration that must not change between sessions. */
function comparableConfig(name: string, config: TrainConfig): Record<string, unknown> {
  const comparable: Record<string, unknown> = JSON.parse(serializeConfig(config, name))
  for (const key of CHANGEABLE_KEYS) delete comparable[key]
  return comparable
}

function checkSameConfig(out: string, name: string, recorded: unknown, current: unknown): void {
  const dir = join(out, 'runs', name)
  if (!existsSync(dir)) return
  if (recorded === undefined) {
    throw new ResidualError({
      code: 'E_OUT_EXISTS',
      message: `${dir} is not a run of this experiment`,
      at: { key: 'out', file: dir },
      hint: 'Set `out` to another folder.',
    })
  }
  const [key] = differingKeys(recorded, current)
  if (key === undefined) return
  throw new ResidualError({
    code: 'E_MISMATCH',
    message: `${name} was trained with a different \`${key}\` in ${out}`,
    at: { key },
    hint: 'Set `out` to another folder, or set `overwrite` to train all runs again.',
  })
}

/** Returns the top-level keys whose values differ. */
function differingKeys(recorded: unknown, current: unknown): string[] {
  const [a, b] = [recorded as Record<string, unknown>, current as Record<string, unknown>]
  const keys = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...keys].filter((key) => canonicalJson(a[key]) !== canonicalJson(b[key]))
}

/** Serializes a value with sorted keys. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}

function checkSameData(first: ExperimentRun | undefined, run: ExperimentRun): void {
  if (first === undefined) return
  if (first.start.data.fingerprint === run.start.data.fingerprint) return
  throw new ResidualError({
    code: 'E_MISMATCH',
    message: `${first.start.data.source} has changed between ${first.name} and ${run.name}`,
    at: { key: 'data' },
    hint: 'Set `overwrite` to train all runs again on the current data.',
  })
}
