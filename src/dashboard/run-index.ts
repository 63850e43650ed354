import { lstat, readdir, realpath, stat } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
import { coreAddon } from '../native/addon.js'
import { isNewerVersion, PARTS } from '../run-folder/run-folder.js'
import { isObject, openRunFile, readRunFile, readRunObject } from './run-file.js'

/** How deep below the runs folder a run may lie: runs/<experiment>/<member>/<part of it>. */
const DEPTH = 3

/** More than anybody looks through; also what one look at a strange folder may cost. */
const MOST = 2000
const MOST_LOOKED_AT = 20_000

/** How long the list is good for, in milliseconds. */
const FRESH = 1000

/** The page that `report()` writes into a run's folder. */
export const REPORT = 'report.html'

/** What the list of runs says of one. */
export interface RunSummary {
  /** Its path below the runs folder, by which it is asked for. */
  id: string
  /**
   * `running` while somebody writes to it; `ended` with a result; `interrupted` without. Both of the
   * last can be gone on with.
   */
  state: 'running' | 'ended' | 'interrupted'
  stopReason: string | null
  arch: string | null
  data: string | null
  /** Planned; null where the budget is one of steps or seconds alone. */
  epochs: number | null
  /** Whole ones done. */
  epoch: number
  /** Of the best epoch where the run has ended, else of the last: of validation, 0 to 1. */
  accuracy: number | null
  testAccuracy: number | null
  /** When something was written last, in milliseconds since 1970. */
  changed: number
  /** What is odd about it, as a sentence. */
  remark: string | null
  /** There is a report.html, which is asked for by the run's id. */
  hasReport: boolean
}

/** A run's folder, absolute and without symbolic links, and its id. */
export interface Found {
  id: string
  dir: string
}

/** The runs below a folder. Nothing is ever opened by a path that came from a browser. */
export class Runs {
  /** Absolute. */
  readonly folder: string
  /** Of runs that nobody writes to, with what their files were like. */
  readonly #kept = new Map<string, { stamp: string; summary: RunSummary | undefined }>()
  #found: Promise<Map<string, Found>> | undefined
  #at = 0

  constructor(folder: string) {
    this.folder = folder
  }

  /** The run of an id; undefined if there is none. */
  async get(id: string): Promise<Found | undefined> {
    return (await this.#look()).get(id) ?? (await this.#look(true)).get(id)
  }

  /** All runs, the one written to last first. */
  async list(): Promise<RunSummary[]> {
    const found = await this.#look()
    for (const id of this.#kept.keys()) if (!found.has(id)) this.#kept.delete(id)
    const summaries: RunSummary[] = []
    for (const run of found.values()) {
      const summary = await this.#summary(run)
      if (summary !== undefined) summaries.push(summary)
    }
    return summaries.sort((a, b) => b.changed - a.changed)
  }

  /** Reads files only where they have changed: there may be thousands of old runs. */
  async #summary(run: Found): Promise<RunSummary | undefined> {
    const stamp = await stampOf(run.dir)
    const kept = this.#kept.get(run.id)
    if (kept?.stamp === stamp) return kept.summary
    const summary = await summarise(run)
    if (summary?.state === 'running') this.#kept.delete(run.id)
    else this.#kept.set(run.id, { stamp, summary })
    return summary
  }

  #look(anew = false): Promise<Map<string, Found>> {
    if (this.#found === undefined || anew || Date.now() - this.#at > FRESH) {
      this.#at = Date.now()
      this.#found = findRuns(this.folder)
    }
    return this.#found
  }
}

async function findRuns(folder: string): Promise<Map<string, Found>> {
  const found = new Map<string, Found>()
  const root = await realpath(folder).catch(() => undefined)
  if (root === undefined) return found
  // A run's own folder may be looked at too.
  if (await hasConfig(root)) return found.set(basename(root), { id: basename(root), dir: root })
  let level = [root]
  let looked = 0
  for (let depth = 0; depth < DEPTH && level.length > 0; depth++) {
    const next: string[] = []
    for (const parent of level) {
      const entries = await readdir(parent, { withFileTypes: true }).catch(() => [])
      for (const entry of entries) {
        // Links are not followed: `latest` names a run twice, and others may lead anywhere.
        if (!entry.isDirectory() || entry.name.startsWith('.')) continue
        if (++looked > MOST_LOOKED_AT || found.size >= MOST) return found
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

/** Changes when a run's files do. */
async function stampOf(dir: string): Promise<string> {
  const names = ['config.json', 'metrics.jsonl', 'metrics.csv', 'result.json', REPORT]
  const files = await Promise.all(
    names.map((name) => lstat(join(dir, name)).catch(() => undefined)),
  )
  return files.map((file) => `${file?.ino} ${file?.size} ${file?.mtimeMs}`).join(' ')
}

/** What a run is and how far it came; undefined if the folder is not a run's. */
async function summarise({ id, dir }: Found): Promise<RunSummary | undefined> {
  const config = await readRunObject(dir, 'config.json')
  if (config === undefined || PARTS.some((part) => !isObject(config[part]))) return undefined
  const isRunning = isWrittenTo(dir)
  const result = isRunning ? undefined : await readRunObject(dir, 'result.json')
  const environment = await readRunObject(dir, 'environment.json')
  const last = await lastRow(dir)
  const [best, test] = [object(result?.best), object(result?.test)]
  return {
    id,
    state: isRunning ? 'running' : result === undefined ? 'interrupted' : 'ended',
    stopReason: text(result?.stopReason),
    arch: text(object(config.model).arch),
    data: text(object(config.data).source),
    epochs: number(config.epochs),
    epoch: number(result?.epochs) ?? last.epoch,
    accuracy: number(best.accuracy) ?? last.accuracy,
    testAccuracy: number(test.accuracy),
    changed: await changed(dir),
    remark: isNewerVersion(environment?.residual)
      ? `It was written by a newer version, ${environment?.residual}: some of it may be missing here.`
      : null,
    hasReport: (await lstat(join(dir, REPORT)).catch(() => undefined))?.isFile() ?? false,
  }
}

/** Whether a run is being written to a folder; false also where that cannot be told. */
export function isWrittenTo(dir: string): boolean {
  try {
    return coreAddon().isWrittenTo(dir)
  } catch {
    return false
  }
}

/** Epoch and validation accuracy in the last whole row of metrics.csv. */
async function lastRow(dir: string): Promise<{ epoch: number; accuracy: number | null }> {
  const rows = ((await readRunFile(dir, 'metrics.csv', -1024)) ?? '').split('\n').slice(1, -1)
  const [epoch, , , , , , accuracy] = rows.at(-1)?.split(',') ?? []
  if (epoch === undefined || !/^\d+$/.test(epoch)) return { epoch: 0, accuracy: null }
  return { epoch: Number(epoch), accuracy: accuracy ? number(Number(accuracy)) : null }
}

async function changed(dir: string): Promise<number> {
  const file = (await openRunFile(dir, 'metrics.jsonl')) ?? (await openRunFile(dir, 'config.json'))
  try {
    return Math.round((await file?.stat())?.mtimeMs ?? 0)
  } finally {
    await file?.close()
  }
}

function object(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : {}
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}
