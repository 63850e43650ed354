import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { ResidualError } from '../errors/errors.js'
import type {
  EpochEvent,
  Metrics,
  ResolvedConfig,
  RunEvaluation,
  StartEvent,
  StepEvent,
  TrainResult,
  WarningEvent,
} from '../native/generated.js'
import { packageVersion } from '../native/platform.js'
import { isRunEvaluation } from './run-evaluation.js'

/** environment.json, of the session that wrote to the folder last. */
export interface RunEnvironment {
  residual: string
  libtorch: string
  os: string
  kernel: string | null
  arch: string
  cpu: string
  cpuCapability: string
  cores: number
  threads: number
  device: string
  seed: number
  /** UTC, ISO 8601. */
  startedAt: string
}

/** What a run folder says, as far as it says it. */
export interface RunFolder {
  /** Absolute, without symbolic links. */
  dir: string
  /** The folder's own name. */
  name: string
  config: ResolvedConfig
  environment: Partial<RunEnvironment>
  /** Undefined for a run that has not ended, or was killed. */
  result: TrainResult | undefined
  /** What it measured last; undefined where it has not kept that. */
  evaluation: RunEvaluation | undefined
  /** Of its last session; undefined if its line is missing. */
  start: StartEvent | undefined
  /** By their number. What was not finite is NaN. */
  epochs: EpochEvent[]
  /** Those that were written down, by their number. */
  steps: StepEvent[]
  warnings: WarningEvent[]
  /** What is odd about the folder, a sentence each. */
  remarks: string[]
}

/** @internal What tells a run's config.json from that of some other program, as the core tells it. */
export const PARTS = ['data', 'model', 'optimizer', 'reasons'] as const

/**
 * Reads a run folder, of whatever state: running, killed in mid-line, written by another version.
 * What cannot be read is left out, and `remarks` says so.
 *
 * @throws {ResidualError} `E_CHECKPOINT` if it is no run folder
 */
export async function readRunFolder(path: string): Promise<RunFolder> {
  const dir = realFolder(path)
  const remarks: string[] = []
  const config = readConfig(path, dir)
  const optional = (name: string, isWhole: (read: Line) => boolean): Line | undefined => {
    const file = join(dir, name)
    if (!existsSync(file)) return undefined
    const read = readObject(file)
    if (read !== undefined && isWhole(read)) return read
    remarks.push(`${name} cannot be read, and is left out.`)
    return undefined
  }
  const environment: RunFolder['environment'] = optional('environment.json', () => true) ?? {}
  const result = optional('result.json', isResult) as TrainResult | undefined
  const evaluation = optional('evaluation.json', isRunEvaluation) as RunEvaluation | undefined
  if (isNewerVersion(environment.residual)) {
    const versions = `residual ${environment.residual}, which is newer than this ${packageVersion()}`
    remarks.push(`The run was written by ${versions}: some of it may be missing here.`)
  }
  return {
    dir,
    name: basename(dir),
    config,
    environment,
    result,
    evaluation,
    ...(await readMetrics(join(dir, 'metrics.jsonl'), remarks)),
    remarks,
  }
}

function realFolder(path: string): string {
  let dir: string
  try {
    dir = realpathSync(path)
  } catch (cause) {
    throw noRun(path, `there is no ${path}`, cause)
  }
  if (statSync(dir).isDirectory()) return dir
  throw noRun(path, `${path} is a file`)
}

function readConfig(path: string, dir: string): ResolvedConfig {
  const file = join(dir, 'config.json')
  if (!existsSync(file)) throw noRun(path, `there is no run in ${path}: it has no config.json`)
  const config = readObject(file)
  if (config === undefined) throw noRun(file, `${file} is cut short, or not JSON`)
  const missing = PARTS.find((part) => !isObject(config[part]))
  if (missing === undefined) return config as unknown as ResolvedConfig
  throw noRun(file, `${file} is not a run's: it has no \`${missing}\``)
}

function noRun(file: string, message: string, cause?: unknown): ResidualError {
  const hint = 'Give the folder of a run, as in runs/photos-resnet18: the one that has config.json.'
  return new ResidualError({ code: 'E_CHECKPOINT', message, at: { file }, hint }, { cause })
}

/** The object that a file holds; undefined if it holds none. */
function readObject(file: string): Line | undefined {
  try {
    const read: unknown = JSON.parse(readFileSync(file, 'utf8'))
    return isObject(read) ? read : undefined
  } catch {
    return undefined
  }
}

/** As read, before anything is known of it. */
type Line = Record<string, unknown>

type MetricsFile = Pick<RunFolder, 'start' | 'epochs' | 'steps' | 'warnings'>

/** Line by line: the log of a long run is larger than anyone wants in memory at once. */
async function readMetrics(file: string, remarks: string[]): Promise<MetricsFile> {
  const metrics: MetricsFile = { start: undefined, epochs: [], steps: [], warnings: [] }
  if (!existsSync(file)) {
    remarks.push('metrics.jsonl is missing: there is no history of this run.')
    return metrics
  }
  const epochs = new Map<number, EpochEvent>()
  const steps = new Map<number, StepEvent>()
  let unreadable = 0
  let torn = false
  const take = (line: string) => {
    if (line.trim() === '') return
    const event = parseEvent(line)
    torn = event === undefined
    if (event === undefined) unreadable++
    else if (isStart(event)) metrics.start = event
    else if (isEpoch(event)) epochs.set(event.epoch, withScores(event))
    else if (isStep(event)) steps.set(event.step, withNumbers(event))
    else if (isWarning(event)) metrics.warnings.push(event)
  }
  try {
    const input = await open(file)
    for await (const line of input.readLines()) take(line)
  } catch (error) {
    remarks.push(`metrics.jsonl could not be read: ${(error as Error).message}.`)
  }
  if (torn) {
    unreadable--
    remarks.push('The last line of metrics.jsonl is cut off: the run was ended while it wrote.')
  }
  if (unreadable > 0) {
    const lines = unreadable === 1 ? 'A line' : `${unreadable} lines`
    remarks.push(`${lines} of metrics.jsonl cannot be read, and count for nothing here.`)
  }
  metrics.epochs = [...epochs.values()].sort((a, b) => a.epoch - b.epoch)
  metrics.steps = [...steps.values()].sort((a, b) => a.step - b.step)
  return metrics
}

function parseEvent(line: string): Line | undefined {
  try {
    const read: unknown = JSON.parse(line)
    return isObject(read) ? read : undefined
  } catch {
    return undefined
  }
}

function isStart(event: Line): event is Line & StartEvent {
  const { type, data } = event
  return type === 'start' && isObject(data) && Array.isArray(data.classes)
}

function isEpoch(event: Line): event is Line & EpochEvent {
  const { type, epoch, step, train } = event
  return type === 'epoch' && isNumber(epoch) && isNumber(step) && isObject(train)
}

function isStep(event: Line): event is Line & StepEvent {
  return event.type === 'step' && isNumber(event.step)
}

function isWarning(event: Line): event is Line & WarningEvent {
  return event.type === 'warning' && typeof event.message === 'string'
}

function isResult({ stopReason, epochs, steps }: Line): boolean {
  return typeof stopReason === 'string' && isNumber(epochs) && isNumber(steps)
}

function withScores(event: EpochEvent): EpochEvent {
  const val = isObject(event.val) ? score(event.val as Metrics) : null
  return { ...withNumbers(event), train: score(event.train), val, seconds: number(event.seconds) }
}

/** JSON has no NaN: a number that was none is null there. */
function withNumbers<E extends EpochEvent | StepEvent>(event: E): E {
  const { lr, imagesPerSecond } = event
  const read = { ...event, lr: number(lr), imagesPerSecond: number(imagesPerSecond) }
  return 'loss' in event ? { ...read, loss: number(event.loss) } : read
}

function score({ loss, accuracy, count }: Metrics): Metrics {
  return { loss: number(loss), accuracy: number(accuracy), count: number(count) }
}

function number(value: unknown): number {
  return isNumber(value) ? value : Number.NaN
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number'
}

function isObject(value: unknown): value is Line {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether a version (`0.2.0`) is later than ours. */
export function isNewerVersion(version: unknown): boolean {
  if (typeof version !== 'string' || !/^\d+\.\d+\.\d+/.test(version)) return false
  const parts = (text: string) => text.split(/[.+-]/, 3).map(Number)
  const [theirs, ours] = [parts(version), parts(packageVersion())]
  const index = theirs.findIndex((part, at) => part !== ours[at])
  return index !== -1 && (theirs[index] as number) > (ours[index] ?? 0)
}
