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

/** A run that an experiment consists of, before it is trained. */
export interface MemberPlan {
  /** Unique in the experiment: its folder's name. */
  name: string
  /** All but `out`. */
  config: TrainConfig
}

/** A trained run. */
export interface Member {
  name: string
  /** Its run folder, absolute. */
  dir: string
  start: StartEvent
  epochs: EpochEvent[]
  result: TrainResult
}

/** An experiment turns to one of its runs. */
export interface MemberEvent {
  type: 'member'
  member: string
  /** From 1. */
  index: number
  count: number
  /** `reused`: it was trained before, by the same configuration. */
  state: 'new' | 'resumed' | 'reused'
}

/** What happens during an experiment: it turns to a run, or something happens in that run. */
export type ExperimentEvent = MemberEvent | (RunEvent & { member: string })

/** What goes with an experiment's configuration and is not plain data. */
export interface ExperimentOptions {
  /** Ends it within a step, saved; it then rejects with an `AbortError`, and the same call goes on. */
  signal?: AbortSignal | undefined
  onEvent?: ((event: ExperimentEvent) => void) | undefined
  /** Called as bytes of a named data set, or of published weights, arrive. */
  onDownload?: ((progress: DownloadProgress) => void) | undefined
}

/** The experiment's memory, in its folder: what each of its runs was asked to be. */
interface Memory {
  experiment: string
  members: Record<string, Record<string, unknown>>
}

const MEMORY = 'experiment.json'

/** What may differ and still be the same run; the core says the same of a resumed one. */
const FREE = ['threads', 'workers', 'checkpoint', 'log', 'out', 'overwrite']

/**
 * Trains runs one after another, each in a folder of its own below `out`. One that was trained
 * before is not trained again, and one that was interrupted is gone on with.
 *
 * @throws {ResidualError} `E_MISMATCH` for a run that was made with another configuration or data
 *   set; `AbortError`; and what a run rejects with
 */
export async function trainMembers(
  experiment: string,
  out: string,
  plans: readonly MemberPlan[],
  { overwrite, ...options }: ExperimentOptions & { overwrite: boolean },
): Promise<Member[]> {
  const memory = remember(out, experiment, overwrite)
  const asked = plans.map(({ name, config }) => identity(name, config))
  if (!overwrite) {
    for (const [index, { name }] of plans.entries()) {
      refuseOther(out, name, memory.members[name], asked[index])
    }
  }
  const members: Member[] = []
  for (const [index, plan] of plans.entries()) {
    memory.members[plan.name] = asked[index] as Record<string, unknown>
    replaceFile(join(out, MEMORY), `${JSON.stringify(memory, null, 2)}\n`)
    const member = await trainOne(out, plan, { index, count: plans.length, overwrite, ...options })
    refuseOtherData(members[0], member)
    members.push(member)
  }
  return members
}

interface Turn extends ExperimentOptions {
  index: number
  count: number
  overwrite: boolean
}

async function trainOne(out: string, { name, config }: MemberPlan, turn: Turn): Promise<Member> {
  const dir = resolve(out, 'runs', name)
  const { signal, onDownload, onEvent = () => {} } = turn
  const tell = (state: MemberEvent['state']) =>
    onEvent({ type: 'member', member: name, index: turn.index + 1, count: turn.count, state })
  if (signal?.aborted) throw interrupted(name, undefined, signal)

  const finished = turn.overwrite ? undefined : readMember(name, dir)
  if (finished !== undefined) {
    tell('reused')
    return finished
  }
  const saved = !turn.overwrite && existsSync(join(dir, 'checkpoints', 'last.safetensors'))
  tell(saved ? 'resumed' : 'new')
  // A run that was killed before its first checkpoint has left nothing to go on from.
  const begin = saved ? { resume: dir } : { ...config, out: dir, overwrite: true }
  const run = train(begin, { signal, onDownload })
  try {
    for await (const event of run) onEvent({ ...event, member: name })
    await run
  } catch (error) {
    run.stop() // it was the listener that threw, perhaps
    await run.then(
      () => {},
      () => {},
    )
    if (error instanceof AbortError) throw interrupted(name, error.checkpoint, signal)
    if (!(error instanceof ResidualError)) throw error
    const { code, message, at, hint } = error
    const failure = { code, message: `${name}: ${message}`, at, ...(hint && { hint }) }
    throw new ResidualError(failure, { cause: error })
  }
  const member = readMember(name, dir)
  if (member !== undefined) return member
  // Stopped, and not by us: the process is ending.
  throw interrupted(name, run.checkpoint, signal)
}

function interrupted(
  name: string,
  checkpoint: string | undefined,
  signal: AbortSignal | undefined,
): AbortError {
  const hint = 'The same call, or the same command, goes on from there.'
  return new AbortError(`interrupted at ${name}`, checkpoint, signal?.reason, hint)
}

/** What a run folder says of a run; undefined if that has not come to its end. */
function readMember(name: string, dir: string): Member | undefined {
  const result = readJson<TrainResult>(join(dir, 'result.json'))
  if (result === undefined || result.stopReason === 'stopped') return undefined
  const events = readJsonLines<RunEvent>(join(dir, 'metrics.jsonl'))
  const start = events.findLast((event) => event.type === 'start')
  if (start === undefined) return undefined
  const epochs = events.filter((event) => event.type === 'epoch')
  // The folder may have been moved since.
  return { name, dir, start, epochs, result: { ...result, dir } }
}

function remember(out: string, experiment: string, overwrite: boolean): Memory {
  const found = overwrite ? undefined : readJson<Memory>(join(out, MEMORY))
  if (found === undefined) return { experiment, members: {} }
  if (found.experiment === experiment && typeof found.members === 'object') return found
  throw new ResidualError({
    code: 'E_OUT_EXISTS',
    message: `${out} holds another experiment (${found.experiment})`,
    at: { key: 'out', file: out },
    hint: 'Give another folder as `out`.',
  })
}

/** A configuration as it is compared. */
function identity(name: string, config: TrainConfig): Record<string, unknown> {
  const plain: Record<string, unknown> = JSON.parse(serializeConfig(config, name))
  for (const key of FREE) delete plain[key]
  return plain
}

function refuseOther(out: string, name: string, before: unknown, now: unknown): void {
  const dir = join(out, 'runs', name)
  if (!existsSync(dir)) return
  if (before === undefined) {
    throw new ResidualError({
      code: 'E_OUT_EXISTS',
      message: `${dir} is no run of this experiment`,
      at: { key: 'out', file: dir },
      hint: 'Give another folder as `out`.',
    })
  }
  const [key] = differences(before, now)
  if (key === undefined) return
  throw new ResidualError({
    code: 'E_MISMATCH',
    message: `${name} was trained with another \`${key}\` in ${out}`,
    at: { key },
    hint: 'Give another folder as `out`, or set `overwrite` to train everything anew.',
  })
}

/** The top-level keys that differ. */
function differences(before: unknown, now: unknown): string[] {
  const [a, b] = [before as Record<string, unknown>, now as Record<string, unknown>]
  const keys = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...keys].filter((key) => sorted(a[key]) !== sorted(b[key]))
}

function sorted(value: unknown): string {
  return JSON.stringify(value, (_, inner) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}

function refuseOtherData(first: Member | undefined, member: Member): void {
  if (first === undefined) return
  if (first.start.data.fingerprint === member.start.data.fingerprint) return
  throw new ResidualError({
    code: 'E_MISMATCH',
    message: `${first.start.data.source} has changed between ${first.name} and ${member.name}`,
    at: { key: 'data' },
    hint: 'Set `overwrite` to train everything anew on the data as it is.',
  })
}
