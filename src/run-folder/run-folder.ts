import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { ResidualError } from '../errors/errors.js'
import { coreAddon } from '../native/addon.js'
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
import type { NativeResult } from '../native/native-result.js'
import { VERSION } from '../native/version.js'
import { isNumber, isObject, isString, type JsonObject, parseObject } from './json-object.js'
import { type Line, readLines } from './read-lines.js'
import { isRunEvaluation } from './validate-evaluation.js'

/** Content of environment.json, written by the last session of the run. */
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

/** Readable content of a run folder. */
export interface RunFolder {
  /** Absolute path without symbolic links. */
  dir: string
  /** Base name of the folder. */
  name: string
  config: ResolvedConfig
  /** Whether `config` was read from config.json, not from the log or a checkpoint. */
  hasConfigFile: boolean
  environment: Partial<RunEnvironment>
  /** Undefined if the run has not ended, or was killed. */
  result: TrainResult | undefined
  /** The last evaluation; undefined if evaluation.json is missing. */
  evaluation: RunEvaluation | undefined
  /** Start event of the last session; undefined if the log contains none. */
  start: StartEvent | undefined
  /** Epochs in order. Values that were not finite are NaN. */
  epochs: EpochEvent[]
  /** Logged steps in order. */
  steps: StepEvent[]
  warnings: WarningEvent[]
  /** Problems with the folder, one sentence each. */
  issues: string[]
}

/**
 * Sections that distinguish the config.json of a run from that of another program. The core checks
 * the same sections.
 *
 * @internal
 */
export const CONFIG_SECTIONS = ['data', 'model', 'optimizer', 'reasons'] as const

/**
 * Reads a run folder in any state: running, killed while writing, or written by another version.
 * Content that cannot be read is omitted and listed in `issues`.
 *
 * @throws {ResidualError} `E_CHECKPOINT` if it is not a run folder
 */
export async function readRunFolder(path: string): Promise<RunFolder> {
  const dir = realFolder(path)
  const issues: string[] = []
  const { end, ...metrics } = await readMetrics(join(dir, 'metrics.jsonl'), issues)
  const { config, hasConfigFile } = readConfig(path, dir, metrics.start?.config, issues)
  const readOptional = (
    name: string,
    isValid: (content: JsonObject) => boolean,
  ): JsonObject | undefined => {
    const file = join(dir, name)
    if (!isFile(file)) return undefined
    const content = readObject(file)
    if (content !== undefined && isValid(content)) return content
    issues.push(`${name} cannot be read and is ignored.`)
    return undefined
  }
  const environment: RunFolder['environment'] =
    readOptional('environment.json', isEnvironment) ?? {}
  const result = readOptional('result.json', isResult) ?? recoverResult(dir, end, issues)
  const evaluation = readOptional('evaluation.json', isRunEvaluation) as RunEvaluation | undefined
  if (isNewerVersion(environment.residual)) {
    issues.push(
      `The run was written by residual ${environment.residual}, which is newer than this version ` +
        `(${VERSION}): some of its content may be missing.`,
    )
  }
  return {
    dir,
    name: basename(dir),
    config,
    hasConfigFile,
    environment,
    result: result && toResult(result),
    evaluation,
    ...metrics,
    issues,
  }
}

function realFolder(path: string): string {
  let dir: string
  try {
    dir = realpathSync(path)
  } catch (cause) {
    throw notARun(path, `${path} does not exist`, cause)
  }
  if (statSync(dir).isDirectory()) return dir
  throw notARun(path, `${path} is a file, not a run folder`)
}

/**
 * Reads config.json; if it is missing or damaged, returns the configuration in the log, or that of a
 * checkpoint.
 */
function readConfig(
  path: string,
  dir: string,
  logged: unknown,
  issues: string[],
): Pick<RunFolder, 'config' | 'hasConfigFile'> {
  const file = join(dir, 'config.json')
  const missingSection = (config: JsonObject) =>
    CONFIG_SECTIONS.find((section) => !isObject(config[section]))
  const config = readObject(file)
  if (config !== undefined) {
    const missing = missingSection(config)
    if (missing === undefined) {
      return { config: config as unknown as ResolvedConfig, hasConfigFile: true }
    }
    throw notARun(file, `${file} is not the config.json of a run: it has no \`${missing}\``)
  }
  if (isObject(logged) && missingSection(logged) === undefined) {
    issues.push('config.json cannot be read; the configuration is that of metrics.jsonl.')
    return { config: logged as unknown as ResolvedConfig, hasConfigFile: false }
  }
  const checkpoint = existsSync(join(dir, 'checkpoints')) ? readCheckpointConfig(dir) : undefined
  if (checkpoint !== undefined) {
    const name = basename(checkpoint.file)
    issues.push(`config.json cannot be read; the configuration is that of ${name}.`)
    return { config: checkpoint.config, hasConfigFile: false }
  }
  if (!existsSync(file)) throw notARun(path, `${path} is not a run folder: it has no config.json`)
  throw notARun(file, `${file} is truncated or not JSON`)
}

/** Reads the configuration of the newest intact checkpoint; returns undefined if there is none. */
function readCheckpointConfig(dir: string): { config: ResolvedConfig; file: string } | undefined {
  const result: NativeResult<{ config: ResolvedConfig; file: string }> = JSON.parse(
    coreAddon().readCheckpointConfig(dir),
  )
  return 'ok' in result ? result.ok : undefined
}

/** Returns the result in the end event of the log, if result.json exists but is damaged. */
function recoverResult(
  dir: string,
  end: JsonObject | undefined,
  issues: string[],
): JsonObject | undefined {
  if (end === undefined || !existsSync(join(dir, 'result.json'))) return undefined
  issues.push('The result is that of the last event of metrics.jsonl.')
  return end
}

function notARun(file: string, message: string, cause?: unknown): ResidualError {
  const hint = 'Pass the folder that contains config.json, such as runs/photos-resnet18.'
  return new ResidualError({ code: 'E_CHECKPOINT', message, at: { file }, hint }, { cause })
}

/** Parses a JSON file; returns undefined if it does not contain an object. */
function readObject(file: string): JsonObject | undefined {
  if (!isFile(file)) return undefined
  try {
    const content: unknown = JSON.parse(readFileSync(file, 'utf8'))
    return isObject(content) ? content : undefined
  } catch {
    return undefined
  }
}

/** Returns whether a path is a file, or a link to one. Reading a named pipe would not end. */
function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}

interface MetricsFile extends Pick<RunFolder, 'start' | 'epochs' | 'steps' | 'warnings'> {
  /** Result in the last event; undefined if the log does not end with the end of the run. */
  end: JsonObject | undefined
}

/** Reads metrics.jsonl. */
async function readMetrics(file: string, issues: string[]): Promise<MetricsFile> {
  const metrics: MetricsFile = {
    start: undefined,
    end: undefined,
    epochs: [],
    steps: [],
    warnings: [],
  }
  if (!isFile(file)) {
    const problem = existsSync(file) ? 'is not a regular file' : 'is missing'
    issues.push(`metrics.jsonl ${problem}: the run has no history.`)
    return metrics
  }
  const epochs = new Map<number, EpochEvent>()
  const steps = new Map<number, StepEvent>()
  let numUnreadable = 0
  let isEmpty = true
  const readLine = ({ text, isComplete }: Line) => {
    if (text?.trim() === '') return
    const event = text === undefined ? undefined : parseObject(text)
    if (event === undefined && !isComplete) {
      issues.push('The last line of metrics.jsonl is truncated: the run was killed while writing.')
    } else if (event === undefined) numUnreadable++
    else if (isStart(event)) metrics.start = withClassCounts(event)
    else if (isEpoch(event)) epochs.set(event.epoch, withMetrics(event))
    else if (isStep(event)) steps.set(event.step, withNumbers(event))
    else if (isWarning(event)) metrics.warnings.push(event)
    const { result } = event ?? {}
    metrics.end = event?.type === 'end' && isObject(result) && isResult(result) ? result : undefined
  }
  try {
    for await (const line of readLines(file)) {
      isEmpty = false
      readLine(line)
    }
  } catch (error) {
    isEmpty = false
    issues.push(`metrics.jsonl could not be read: ${(error as Error).message}.`)
  }
  if (isEmpty) issues.push('metrics.jsonl is empty: the run has no history.')
  if (numUnreadable > 0) {
    const lines = numUnreadable === 1 ? '1 line' : `${numUnreadable} lines`
    issues.push(`Skipped ${lines} of metrics.jsonl that cannot be read.`)
  }
  metrics.epochs = [...epochs.values()].sort((a, b) => a.epoch - b.epoch)
  metrics.steps = [...steps.values()].sort((a, b) => a.step - b.step)
  return metrics
}

function isStart(event: JsonObject): event is JsonObject & StartEvent {
  const { type, data } = event
  return type === 'start' && isObject(data) && isListOf(data.classes, isString)
}

/** Removes the class counts of a start event unless there is a number for each class. */
function withClassCounts(event: JsonObject & StartEvent): StartEvent {
  const { trainClassCounts: counts, data } = event
  if (isListOf(counts, isNumber) && counts.length === data.classes.length) return event
  const { trainClassCounts: _, ...rest } = event
  return rest as unknown as StartEvent
}

function isEpoch(event: JsonObject): event is JsonObject & EpochEvent {
  const { type, epoch, step, train } = event
  return type === 'epoch' && isNumber(epoch) && isNumber(step) && isObject(train)
}

function isStep(event: JsonObject): event is JsonObject & StepEvent {
  return event.type === 'step' && isNumber(event.step)
}

function isWarning(event: JsonObject): event is JsonObject & WarningEvent {
  const { type, message, hint } = event
  return type === 'warning' && isString(message) && (hint == null || isString(hint))
}

function isResult({ stopReason, epochs, steps }: JsonObject): boolean {
  return typeof stopReason === 'string' && isNumber(epochs) && isNumber(steps)
}

/** Removes parts of a result that are not valid. */
function toResult(content: JsonObject): TrainResult {
  const { best, test } = content
  const hasBest = isObject(best) && isNumber(best.epoch) && isNumber(best.accuracy)
  const hasTest = isObject(test) && isNumber(test.accuracy) && isNumber(test.count)
  const result = { ...content, best: hasBest ? best : null, test: hasTest ? test : null }
  return result as unknown as TrainResult
}

/** Whether all values are text, numbers or null. */
function isEnvironment(content: JsonObject): boolean {
  return (
    Object.values(content).every((value) => value === null || typeof value !== 'object') &&
    (content.startedAt === undefined || isString(content.startedAt))
  )
}

function withMetrics(event: EpochEvent): EpochEvent {
  const train = toMetrics(event.train)
  const val = isObject(event.val) ? toMetrics(event.val as Metrics) : null
  return { ...withNumbers(event), train, val, seconds: toNumber(event.seconds) }
}

/** Replaces null by NaN: JSON has no NaN, so the log contains null instead. */
function withNumbers<E extends EpochEvent | StepEvent>(event: E): E {
  const { lr, imagesPerSecond } = event
  const numbers = { ...event, lr: toNumber(lr), imagesPerSecond: toNumber(imagesPerSecond) }
  return 'loss' in event ? { ...numbers, loss: toNumber(event.loss) } : numbers
}

function toMetrics({ loss, accuracy, count }: Metrics): Metrics {
  return { loss: toNumber(loss), accuracy: toNumber(accuracy), count: toNumber(count) }
}

function toNumber(value: unknown): number {
  return isNumber(value) ? value : Number.NaN
}

function isListOf<T>(value: unknown, isItem: (item: unknown) => item is T): value is T[] {
  return Array.isArray(value) && value.every(isItem)
}

/** Whether a version such as `0.2.0` is newer than this package. */
export function isNewerVersion(version: unknown): boolean {
  if (typeof version !== 'string' || !/^\d+\.\d+\.\d+/.test(version)) return false
  const parts = (text: string) => text.split(/[.+-]/, 3).map(Number)
  const [other, own] = [parts(version), parts(VERSION)]
  const index = other.findIndex((part, position) => part !== own[position])
  return index !== -1 && (other[index] as number) > (own[index] ?? 0)
}
