import { readFileSync } from 'node:fs'
import { parseDocument } from 'yaml'
import { shorthandKey } from '../../api/run/shorthand-key.js'
import { cliError } from '../messages.js'

/** A configuration under construction; the core validates it. */
export type Draft = Record<string, unknown>

/** Flags that set configuration keys. */
export interface ConfigFlags {
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

const OVERRIDE = /^([a-z][a-z0-9]*(?:\.[a-z][a-z0-9]*)*)=(.*)$/is

/**
 * Builds a configuration from the command line. Later sources take precedence: configuration file,
 * flags, `key=value` overrides.
 *
 * @param words positional arguments: the data, unless the first word is an override, and overrides
 */
export function configFromArguments(words: readonly string[], flags: ConfigFlags): Draft {
  const draft = flags.config === undefined ? {} : readConfigFile(flags.config)
  const [first, ...rest] = words
  const hasData = first !== undefined && !isOverride(first)
  if (flags.data !== undefined) setKey(draft, 'data.source', flags.data)
  if (hasData) setKey(draft, 'data.source', first)
  if (flags.recipe !== undefined) setKey(draft, 'recipe', flags.recipe)
  if (flags.model !== undefined) setKey(draft, 'model.arch', flags.model)
  if (flags.seeds !== undefined) setKey(draft, 'seeds', parseValue(flags.seeds))
  if (flags.epochs !== undefined) setKey(draft, 'epochs', parseValue(flags.epochs))
  if (flags.out !== undefined) setKey(draft, 'out', flags.out)
  if (flags.overwrite) setKey(draft, 'overwrite', true)
  if (flags.resume !== undefined) setKey(draft, 'resume', flags.resume)
  for (const override of hasData ? rest : words) applyOverride(draft, override)
  return draft
}

/** Whether a word of the command line is an override, such as `optimizer.lr=0.05`. */
export function isOverride(word: string): boolean {
  return OVERRIDE.test(word)
}

/**
 * Applies a `key=value` override. The value is parsed as JSON and taken as a string otherwise.
 *
 * @throws {ResidualError} `E_USAGE` if the word is not of the form key=value
 */
export function applyOverride(draft: Draft, override: string): void {
  const [, path, value] = OVERRIDE.exec(override) ?? []
  if (path === undefined || value === undefined) throw cliError.invalidOverride(override)
  setKey(draft, path, parseValue(value))
}

/** Sets the value at a dotted path, and creates missing objects along the path. */
export function setKey(draft: Draft, path: string, value: unknown): void {
  const keys = path.split('.')
  const last = keys.pop() as string
  let object = draft
  for (const key of keys) {
    const current = Object.hasOwn(object, key) ? object[key] : undefined
    const expanded = typeof current === 'string' ? { [shorthandKey(key)]: current } : current
    object = object[key] = isObject(expanded) ? expanded : {}
  }
  object[last] = value
  // `epochs` and `budget.epochs` are aliases, and a config.json has both: the last one set wins.
  if (path === 'epochs' && isObject(draft.budget)) delete draft.budget.epochs
  if (path === 'budget.epochs') delete draft.epochs
}

/**
 * Reads a configuration file in YAML or JSON (a subset of YAML).
 *
 * @throws {ResidualError} `E_USAGE` if the file cannot be read, `E_CONFIG` with the line if it is
 *   invalid
 */
export function readConfigFile(file: string): Draft {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw cliError.unreadableConfig(file, cause)
  }
  const document = parseDocument(text, { prettyErrors: true })
  const [error] = document.errors
  if (error !== undefined) throw cliError.invalidConfig(file, error.linePos?.[0].line, error)
  let draft: unknown
  try {
    draft = document.toJS()
  } catch (cause) {
    // `toJS` rejects YAML aliases that would expand exponentially.
    throw cliError.invalidConfig(file, undefined, cause as Error)
  }
  if (!isObject(draft)) throw cliError.configNotObject(file)
  delete draft.$schema // a hint for editors, not a setting
  return draft
}

/**
 * Whether a draft sets a value other than `auto`.
 *
 * @param path dotted path in a resolved configuration (`model.arch`)
 */
export function definesKey(draft: Draft, path: string): boolean {
  if (path === 'epochs' && definesKey(draft, 'budget.epochs')) return true
  if (path === 'budget.epochs' && Object.hasOwn(draft, 'epochs')) return true
  let value: unknown = draft
  let parent = ''
  for (const key of path.split('.')) {
    // A string instead of an object is a shorthand for one of its keys: `model: resnet18`.
    if (typeof value === 'string') return key === shorthandKey(parent)
    if (!isObject(value) || !Object.hasOwn(value, key)) return false
    value = value[key]
    parent = key
  }
  return value !== undefined && value !== 'auto'
}

/** Parses a value as JSON and returns any other text unchanged: 0.1, true, resnet18. */
export function parseValue(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** Whether a value is an object with keys. */
export function isObject(value: unknown): value is Draft {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
