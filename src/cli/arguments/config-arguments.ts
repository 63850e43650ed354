import { readFileSync } from 'node:fs'
import { parseDocument } from 'yaml'
import { shorthandKey } from '../../api/run/shorthand-key.js'
import { refusal } from '../messages.js'

/** A configuration on its way: what it may hold, the core decides. */
export type Draft = Record<string, unknown>

/** The flags that stand for a configuration's keys. */
export interface Flags {
  config?: string
  data?: string
  recipe?: string
  model?: string
  seeds?: string
  epochs?: string
  out?: string
  overwrite?: true
  resume?: string
}

const SETTING = /^([a-z][a-z0-9]*(?:\.[a-z][a-z0-9]*)*)=(.*)$/is

/** Recipe, then file, then flags, then settings: what comes later counts. */
export function configure(words: string[], flags: Flags): Draft {
  const draft = flags.config === undefined ? {} : readConfiguration(flags.config)
  const [first, ...rest] = words
  const named = first !== undefined && !isSetting(first)
  if (flags.data !== undefined) set(draft, 'data.source', flags.data)
  if (named) set(draft, 'data.source', first)
  if (flags.recipe !== undefined) set(draft, 'recipe', flags.recipe)
  if (flags.model !== undefined) set(draft, 'model.arch', flags.model)
  if (flags.seeds !== undefined) set(draft, 'seeds', readValue(flags.seeds))
  if (flags.epochs !== undefined) set(draft, 'epochs', readValue(flags.epochs))
  if (flags.out !== undefined) set(draft, 'out', flags.out)
  if (flags.overwrite) set(draft, 'overwrite', true)
  if (flags.resume !== undefined) set(draft, 'resume', flags.resume)
  for (const setting of named ? rest : words) applySetting(draft, setting)
  return draft
}

/** Whether a command-line word is a setting: `optimizer.lr=0.05`. */
export function isSetting(word: string): boolean {
  return SETTING.test(word)
}

/**
 * Applies a setting. Its value is read as JSON and, where it is none, as text.
 *
 * @throws {ResidualError} `E_USAGE` if it is no setting
 */
export function applySetting(draft: Draft, setting: string): void {
  const [, path, value] = SETTING.exec(setting) ?? []
  if (path === undefined || value === undefined) throw refusal.setting(setting)
  set(draft, path, readValue(value))
}

/** Sets what a key's path names, making the objects on the way. */
export function set(draft: Draft, path: string, value: unknown): void {
  const keys = path.split('.')
  const last = keys.pop() as string
  let at = draft
  for (const key of keys) {
    const present = Object.hasOwn(at, key) ? at[key] : undefined
    const inner = typeof present === 'string' ? { [shorthandKey(key)]: present } : present
    at = at[key] = isDraft(inner) ? inner : {}
  }
  at[last] = value
  // Two names for one thing, both of them in a run's config.json: the one set last counts.
  if (path === 'epochs' && isDraft(draft.budget)) delete draft.budget.epochs
  if (path === 'budget.epochs') delete draft.epochs
}

/**
 * Reads a configuration file: YAML, of which JSON is a part.
 *
 * @throws {ResidualError} `E_USAGE` if it cannot be read, `E_CONFIG` with the line if not understood
 */
export function readConfiguration(file: string): Draft {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw refusal.unreadableConfiguration(file, cause)
  }
  const document = parseDocument(text, { prettyErrors: true })
  const [error] = document.errors
  if (error !== undefined) throw refusal.brokenConfiguration(file, error.linePos?.[0].line, error)
  let draft: unknown
  try {
    draft = document.toJS()
  } catch (cause) {
    // Aliases that would grow without end.
    throw refusal.brokenConfiguration(file, undefined, cause as Error)
  }
  if (!isDraft(draft)) throw refusal.emptyConfiguration(file)
  delete draft.$schema // for editors
  return draft
}

/** Whether a draft says a value, by its path in a resolved configuration (`model.arch`). */
export function says(draft: Draft, path: string): boolean {
  if (path === 'epochs' && says(draft, 'budget.epochs')) return true
  if (path === 'budget.epochs' && Object.hasOwn(draft, 'epochs')) return true
  let at: unknown = draft
  let above = ''
  for (const key of path.split('.')) {
    // A bare word says one key of the object that it stands for.
    if (typeof at === 'string') return key === shorthandKey(above)
    if (!isDraft(at) || !Object.hasOwn(at, key)) return false
    at = at[key]
    above = key
  }
  return at !== undefined && at !== 'auto'
}

/** JSON if it is, else text: 0.1 is a number, true a truth, resnet18 a word. */
export function readValue(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** Whether a value is an object of keys and values. */
export function isDraft(value: unknown): value is Draft {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
