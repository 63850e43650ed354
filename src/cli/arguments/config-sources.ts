import { shellQuote } from '../../errors/shell-quote.js'
import type { ResidualError } from '../../index.js'

/** How a setting was written on the command line. */
export type SourceSyntax = 'override' | 'argument' | { flag: string }

/** A setting on the command line, or a configuration file. */
type Source =
  | { key: string; syntax: SourceSyntax; text: string }
  | { file: string; lineOf: (key: string) => number | undefined }

/** A place in the user's input, and the syntax of settings at that place. */
interface Place {
  /** `--lr 0`, `optimizer.lr=0` or `run.yaml:3`. */
  text: string
  syntax: SourceSyntax | 'file'
  /** The key that the user set, which may contain the key of the error. */
  key?: string
}

/** An option of the command line. `value` is the value that an option without an argument sets. */
interface Flag {
  name: string
  value: boolean | undefined
}

/** Flags by the key that they set, for suggestions in the syntax of flags. */
const FLAG_OF_KEY = new Map<string, Flag>()

/** The sources of this process's command line, in ascending precedence. */
const sources: Source[] = []

/** Records a setting of the command line, so that errors name it as the user wrote it. */
export function recordSetting(key: string, syntax: SourceSyntax, text: string): void {
  sources.push({ key, syntax, text })
}

/** Records the configuration file, so that errors name its lines. */
export function recordFile(file: string, lineOf: (key: string) => number | undefined): void {
  sources.unshift({ file, lineOf })
}

/**
 * Records the key that a flag sets.
 *
 * @param value the value that a flag without an argument sets: false for `--no-report`
 */
export function recordFlag(name: string, key: string, value?: boolean): void {
  FLAG_OF_KEY.set(key, { name, value })
}

/** Other names of a key: an error may report a key that differs from the one the user wrote. */
const ALIASES: Record<string, readonly string[]> = {
  model: ['model.arch'],
  data: ['data.source'],
  epochs: ['budget.epochs'],
  'budget.epochs': ['epochs'],
}

/**
 * Converts the place and the hint of an error to the syntax of the command line. The place is the
 * setting as the user wrote it, or the line of a file; undefined for all other errors.
 */
export function localizeError({ at, hint }: ResidualError): { place?: string; hint: string } {
  if (at.key === undefined) return { hint: localizeHint(hint) }
  // The error is in a file, whose syntax is that of the hint.
  if (at.line !== undefined) return { hint }
  const place = findPlace(at.key)
  // The file of an error, such as a data set, is more specific than the option that names it.
  const text = at.file === undefined ? place?.text : undefined
  return { ...(text !== undefined && { place: text }), hint: localizeHint(hint, place) }
}

/**
 * Finds where the user set a key, or else the nearest object that contains the key, or else a key
 * within it. Of several places, the one that takes precedence is returned.
 */
function findPlace(key: string): Place | undefined {
  const keys = [key, ...(ALIASES[key] ?? [])]
  const isExact = (set: string) => keys.includes(set)
  const isAncestor = (set: string) => key.startsWith(`${set}.`) || key.startsWith(`${set}[`)
  const isDescendant = (set: string) => set.startsWith(`${key}.`)
  for (const matches of [isExact, isAncestor, isDescendant]) {
    for (const source of sources.toReversed()) {
      if ('file' in source) {
        const line = matches === isExact ? undefined : source.lineOf(key)
        if (line !== undefined) return { text: `${source.file}:${line}`, syntax: 'file' }
      } else if (matches(source.key)) {
        return { text: source.text, syntax: source.syntax, key: source.key }
      }
    }
  }
  return undefined
}

/**
 * Converts the settings in a hint, which are in the syntax of JavaScript and YAML
 * (`optimizer: { lr: 0.1 }`), to the syntax of the command line.
 *
 * @param place place of the setting that the hint is about
 */
export function localizeHint(hint: string, place?: Place): string {
  const { key, syntax } = place ?? {}
  if (syntax === 'file') return hint
  return hint
    .replace(/`([a-z]\w*: [^`]+)`/gi, (snippet, setting) => {
      const parsed = parseSettings(setting)
      const words = parsed?.map(([key, value]) => formatSetting(key, value, syntax))
      return words === undefined ? snippet : `\`${words.join(' ')}\``
    })
    .replace(/^Did you mean '([^']+)'\?$/, (sentence, name) =>
      key === undefined || syntax === 'argument'
        ? sentence
        : `Did you mean \`${formatSetting(key, name, syntax)}\`?`,
    )
}

/** A dotted key and its value. */
type Setting = readonly [key: string, value: unknown]

/**
 * Parses `optimizer: { lr: 0.1 }`, or `optimizer: { type: 'adam', eps: 0.1 }` as two settings;
 * undefined for other texts.
 */
function parseSettings(text: string): readonly Setting[] | undefined {
  const [, key, rest = ''] = /^([A-Za-z]\w*): (.*)$/.exec(text) ?? []
  if (key === undefined) return undefined
  const [, inner] = /^\{ (.*) \}$/.exec(rest) ?? []
  if (inner === undefined) {
    const value = parseSettingValue(rest)
    return value === undefined ? undefined : [[key, value]]
  }
  const [, type, other = inner] = /^(type: '[\w-]+'), (.*)$/.exec(inner) ?? []
  const parsed = [...(type === undefined ? [] : [type]), other].map(parseSettings)
  const settings = parsed.flatMap((part) => part ?? [])
  return parsed.includes(undefined)
    ? undefined
    : settings.map(([inner, value]) => [`${key}.${inner}`, value])
}

function parseSettingValue(text: string): unknown {
  const [, quoted] = /^'(.*)'$/.exec(text) ?? []
  if (quoted !== undefined) return quoted.replace(/\\(.)/g, '$1')
  try {
    return JSON.parse(text)
  } catch {
    return /^[\w./-]+$/.test(text) ? text : undefined
  }
}

/**
 * Formats a setting as a flag if a flag can set the value, unless the user wrote `KEY=VALUE`. A flag
 * of a boolean has no value: `overwrite: true` is `--overwrite`, and `overwrite: false` has no flag.
 */
function formatSetting(key: string, value: unknown, syntax: SourceSyntax | undefined): string {
  const text = shellQuote(typeof value === 'string' ? value : JSON.stringify(value))
  const flag = syntax === 'override' ? undefined : FLAG_OF_KEY.get(key)
  if (flag !== undefined && flag.value === undefined) return `${flag.name} ${text}`
  return flag !== undefined && flag.value === value ? flag.name : `${key}=${text}`
}
