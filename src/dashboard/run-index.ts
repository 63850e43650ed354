import { lstat, readdir, realpath, stat } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
import { coreAddon } from '../native/addon.js'
import { isObject, type JsonObject, parseObject } from '../run-folder/json-object.js'
import { CONFIG_SECTIONS, isNewerVersion } from '../run-folder/run-folder.js'
import { openRunFile, readRunFile, readRunObject } from './run-file.js'

/** Maximum depth of a run below the folder of runs: runs/<experiment>/<member>/<part>. */
const MAX_DEPTH = 3

/** Limits that bound the cost of a search in an unrelated folder. */
const MAX_RUNS = 2000
const MAX_ENTRIES = 20_000

/** Time for which the result of a search is reused, in milliseconds. */
const CACHE_TIME = 1000

/** Name of the report in a run folder. */
export const REPORT = 'report.html'

/** Files on which a summary depends. */
const SUMMARIZED_FILES = [
  'config.json',
  'environment.json',
  'metrics.jsonl',
  'metrics.csv',
  'result.json',
  REPORT,
]

/** Summary of a run for the list of runs. */
export interface RunSummary {
  /** Path below the folder of runs, which identifies the run in requests. */
  id: string
  /**
   * `running` while a process writes to the folder; then `ended`, or `interrupted` if there is no
   * result.
   */
  state: 'running' | 'ended' | 'interrupted'
  stopReason: string | null
  arch: string | null
  data: string | null
  /** Planned epochs; null if the budget is in steps or seconds. */
  epochs: number | null
  /** Completed epochs. */
  epoch: number
  /**
   * Validation accuracy, 0 to 1: of the best epoch if the run has ended, otherwise of the last
   * epoch.
   */
  accuracy: number | null
  /** Test accuracy, 0 to 1. */
  testAccuracy: number | null
  /** Time of the last change, in milliseconds since 1970. */
  modified: number
  /** Sentence about an unusual state of the folder, such as a newer version. */
  remark: string | null
  /** Absolute path of the report; null if the folder contains none. */
  report: string | null
}

/** Location of a run. */
export interface RunLocation {
  id: string
  /** Absolute path of the run folder, without symbolic links. */
  dir: string
}

/** Finds the runs below a folder. Requests name runs by id, never by path. */
export class RunIndex {
  /** Absolute path. */
  readonly folder: string
  /** Summaries of runs that are not running, valid while the stamp of their files is unchanged. */
  readonly #cache = new Map<string, { stamp: string; summary: RunSummary | undefined }>()
  #search: Promise<Map<string, RunLocation>> | undefined
  #searchedAt = 0

  constructor(folder: string) {
    this.folder = folder
  }

  /** Returns the location of a run; undefined if no run has this id. */
  async get(id: string): Promise<RunLocation | undefined> {
    return (await this.#find()).get(id) ?? (await this.#find(true)).get(id)
  }

  /** Lists all runs, last modified first. */
  async list(): Promise<RunSummary[]> {
    const found = await this.#find()
    for (const id of this.#cache.keys()) if (!found.has(id)) this.#cache.delete(id)
    const summaries: RunSummary[] = []
    for (const run of found.values()) {
      const summary = await this.#summary(run)
      if (summary !== undefined) summaries.push(summary)
    }
    return summaries.sort((a, b) => b.modified - a.modified)
  }

  /**
   * Reads the summary of a run if its state, its result or its report has changed.
   *
   * @param known stamp that an earlier call returned; empty for the first call
   * @returns undefined if nothing has changed; a summary of undefined if the folder is no longer a
   *   run folder
   */
  async readChangedSummary(
    run: RunLocation,
    known: string,
  ): Promise<{ stamp: string; summary: RunSummary | undefined } | undefined> {
    const stamp = `${isRunning(run.dir)} ${await fileStamp(run.dir, ['result.json', REPORT])}`
    return stamp === known ? undefined : { stamp, summary: await summarize(run) }
  }

  /** Reads the files of a run only if they have changed, since there may be thousands of runs. */
  async #summary(run: RunLocation): Promise<RunSummary | undefined> {
    const stamp = await fileStamp(run.dir, SUMMARIZED_FILES)
    const cached = this.#cache.get(run.id)
    if (cached?.stamp === stamp) return cached.summary
    const summary = await summarize(run)
    if (summary?.state === 'running') this.#cache.delete(run.id)
    else this.#cache.set(run.id, { stamp, summary })
    return summary
  }

  #find(refresh = false): Promise<Map<string, RunLocation>> {
    if (this.#search === undefined || refresh || Date.now() - this.#searchedAt > CACHE_TIME) {
      this.#searchedAt = Date.now()
      this.#search = findRuns(this.folder)
    }
    return this.#search
  }
}

async function findRuns(folder: string): Promise<Map<string, RunLocation>> {
  const found = new Map<string, RunLocation>()
  const root = await realpath(folder).catch(() => undefined)
  if (root === undefined) return found
  // The folder may itself be a run folder.
  if (await hasConfig(root)) return found.set(basename(root), { id: basename(root), dir: root })
  let level = [root]
  let entryCount = 0
  for (let depth = 0; depth < MAX_DEPTH && level.length > 0; depth++) {
    const next: string[] = []
    for (const parent of level) {
      const entries = await readdir(parent, { withFileTypes: true }).catch(() => [])
      for (const entry of entries) {
        // Links are not followed: `latest` duplicates a run, and a link may point out of the
        // folder.
        if (!entry.isDirectory() || entry.name.startsWith('.')) continue
        if (++entryCount > MAX_ENTRIES || found.size >= MAX_RUNS) return found
        const dir = join(parent, entry.name)
        const id = relative(root, dir)
        if (await hasConfig(dir)) found.set(id, { id, dir })
        else next.push(dir)
      }
    }
    level = next
  }
  return found
}

async function hasConfig(dir: string): Promise<boolean> {
  return (await stat(join(dir, 'config.json')).catch(() => undefined))?.isFile() ?? false
}

/** Returns a string that changes whenever one of several files of a run changes. */
async function fileStamp(dir: string, names: readonly string[]): Promise<string> {
  const files = await Promise.all(
    names.map((name) => lstat(join(dir, name)).catch(() => undefined)),
  )
  return files.map((file) => `${file?.ino} ${file?.size} ${file?.mtimeMs}`).join(' ')
}

/** Summarizes a run; undefined if the folder is not a run folder. */
async function summarize({ id, dir }: RunLocation): Promise<RunSummary | undefined> {
  const remarks: string[] = []
  const config = await readConfig(dir, remarks)
  if (config === undefined) return undefined
  const running = isRunning(dir)
  const result = running ? undefined : await readResult(dir, remarks)
  if (!running && (await isLogTruncated(dir))) {
    remarks.push('The last line of metrics.jsonl is truncated: the run was killed while writing.')
  }
  const environment = await readRunObject(dir, 'environment.json')
  if (isNewerVersion(environment?.residual)) {
    const version = environment?.residual
    remarks.unshift(
      `This run was written by a newer version (${version}); some data may be missing.`,
    )
  }
  const last = await readLastEpoch(dir)
  const [best, test] = [asObject(result?.best), asObject(result?.test)]
  return {
    id,
    state: running ? 'running' : result === undefined ? 'interrupted' : 'ended',
    stopReason: asString(result?.stopReason),
    arch: asString(asObject(config.model).arch),
    data: asString(asObject(config.data).source),
    epochs: asNumber(config.epochs),
    epoch: asNumber(result?.epochs) ?? last.epoch,
    accuracy: asNumber(best.accuracy) ?? last.accuracy,
    testAccuracy: asNumber(test.accuracy),
    modified: await modificationTime(dir),
    remark: remarks.length > 0 ? remarks.join(' ') : null,
    report: (await isFile(join(dir, REPORT))) ? join(dir, REPORT) : null,
  }
}

/** Maximum size of the first and of the last event of a log, in bytes. */
const MAX_EVENT_SIZE = 2 ** 20

/** Reads config.json, or else the configuration in the first event of the log. */
async function readConfig(dir: string, remarks: string[]): Promise<JsonObject | undefined> {
  const isRunConfig = (config: JsonObject | undefined) =>
    config !== undefined && CONFIG_SECTIONS.every((section) => isObject(config[section]))
  const config = await readRunObject(dir, 'config.json')
  // A complete file without these sections belongs to another program.
  if (config !== undefined) return isRunConfig(config) ? config : undefined
  const [first = ''] = ((await readRunFile(dir, 'metrics.jsonl', 0, MAX_EVENT_SIZE)) ?? '').split(
    '\n',
    1,
  )
  const start = parseObject(first)
  const logged = start?.type === 'start' && isObject(start.config) ? start.config : undefined
  if (!isRunConfig(logged)) return undefined
  remarks.push('config.json is damaged; the configuration is that of metrics.jsonl.')
  return logged
}

/** Reads result.json; if it is damaged, the result in the last event of the log. */
async function readResult(dir: string, remarks: string[]): Promise<JsonObject | undefined> {
  const result = await readRunObject(dir, 'result.json')
  if (typeof result?.stopReason === 'string') return result
  if (!(await isFile(join(dir, 'result.json')))) return undefined
  const tail = (await readRunFile(dir, 'metrics.jsonl', -MAX_EVENT_SIZE)) ?? ''
  const end = parseObject(tail.trimEnd().split('\n').at(-1) ?? '')
  const logged = end?.type === 'end' && isObject(end.result) ? end.result : undefined
  remarks.push(
    logged === undefined
      ? 'result.json is damaged and ignored.'
      : 'result.json is damaged; the result is that of metrics.jsonl.',
  )
  return logged
}

/** Whether the last line of the log is incomplete. */
async function isLogTruncated(dir: string): Promise<boolean> {
  const end = await readRunFile(dir, 'metrics.jsonl', -1)
  return end !== undefined && end !== '' && end !== '\n'
}

/** Whether a path is a regular file, not a link to one. */
async function isFile(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined))?.isFile() ?? false
}

/** Whether a process is writing to a run folder; false if the lock cannot be checked. */
export function isRunning(dir: string): boolean {
  try {
    return coreAddon().isRunActive(dir)
  } catch {
    return false
  }
}

/** Reads epoch and validation accuracy from the last complete row of metrics.csv. */
async function readLastEpoch(dir: string): Promise<{ epoch: number; accuracy: number | null }> {
  const rows = ((await readRunFile(dir, 'metrics.csv', -1024)) ?? '').split('\n').slice(1, -1)
  const [epoch, , , , , , accuracy] = rows.at(-1)?.split(',') ?? []
  if (epoch === undefined || !/^\d+$/.test(epoch)) return { epoch: 0, accuracy: null }
  return { epoch: Number(epoch), accuracy: accuracy ? asNumber(Number(accuracy)) : null }
}

async function modificationTime(dir: string): Promise<number> {
  const file = (await openRunFile(dir, 'metrics.jsonl')) ?? (await openRunFile(dir, 'config.json'))
  try {
    return Math.round((await file?.stat())?.mtimeMs ?? 0)
  } finally {
    await file?.close()
  }
}

function asObject(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : {}
}

function asString(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

function asNumber(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}
