import type { Command } from 'commander'
import { shorthandKey } from '../../api/run/shorthand-key.js'
import {
  parseYaml,
  readConfigText,
  type YamlError,
  type YamlText,
} from '../../api/run/yaml-text.js'
import { withCommandName } from '../../errors/command-name.js'
import { isObject } from '../../run-folder/json-object.js'
import { cliError } from '../messages.js'
import { recordFile, recordFlag, recordSetting } from './config-sources.js'

/** A configuration under construction; the core validates it. */
export type Draft = Record<string, unknown>

/** Flags that set configuration keys, and the configuration file. */
export interface ConfigFlags {
  config?: string | undefined
  data?: string | undefined
  recipe?: string | undefined
  model?: string | undefined
  seeds?: string | undefined
  epochs?: string | undefined
  batchSize?: string | undefined
  lr?: string | undefined
  imageSize?: string | undefined
  seed?: string | undefined
  device?: string | undefined
  out?: string | undefined
  overwrite?: true | undefined
  resume?: string | undefined
}

type KeyFlag = Exclude<keyof ConfigFlags, 'config'>

/** The option of a flag: its name and placeholder, its description, and its key. */
const OPTIONS: Record<KeyFlag, readonly [option: string, description: string, key: string]> = {
  data: ['--data <data>', 'data set (alternative to the argument)', 'data.source'],
  recipe: ['--recipe <name>', 'training recipe (see `residual recipes`), or a file', 'recipe'],
  model: ['--model <name>', 'network: resnet18, resnet20, ...', 'model.arch'],
  seeds: ['--seeds <count>', 'number of seeds; every network is trained once per seed', 'seeds'],
  epochs: ['--epochs <count>', 'passes over the training images', 'epochs'],
  batchSize: ['--batch-size <count>', 'images per batch', 'batchSize'],
  lr: ['--lr <rate>', 'learning rate', 'optimizer.lr'],
  imageSize: ['--image-size <pixels>', 'height and width of the input', 'data.imageSize'],
  seed: ['--seed <number>', 'random seed', 'seed'],
  device: ['--device <device>', 'cpu, cuda or auto', 'device'],
  out: ['--out <folder>', 'output folder', 'out'],
  overwrite: ['--overwrite', 'replace earlier runs in the output folder', 'overwrite'],
  resume: ['--resume <run>', 'resume a run from its folder or a checkpoint', 'resume'],
}

/** Flags whose values are names and paths, never numbers. */
const TEXT_FLAGS: readonly KeyFlag[] = ['data', 'recipe', 'model', 'device', 'out', 'resume']

/**
 * Adds `--config` and options that set configuration keys.
 *
 * @param descriptions descriptions other than the common ones
 */
export function addConfigOptions(
  command: Command,
  flags: readonly KeyFlag[],
  descriptions: { [flag in KeyFlag]?: string } = {},
): Command {
  command.option('--config <file>', 'YAML or JSON file, such as the config.json of a run')
  for (const flag of flags) {
    const [option, description] = OPTIONS[flag]
    command.option(option, withCommandName(descriptions[flag] ?? description))
  }
  return command
}

/** Records which keys the options of a command set, so that errors suggest these options. */
export function recordFlags(command: Command): void {
  for (const option of command.options) {
    const { long, required, optional, negate } = option
    // Other options than `OPTIONS`, such as `--crops`, have the names of options of the API.
    const key = KEY_OF_FLAG.get(long ?? '') ?? option.attributeName()
    if (long) recordFlag(long, key, required || optional ? undefined : !negate)
  }
}

/** Returns the name of an option without its placeholder: `--lr` of `--lr <rate>`. */
function flagName(option: string): string {
  return option.replace(/ .*/, '')
}

/** Keys by the names of the options that set them. */
const KEY_OF_FLAG: ReadonlyMap<string, string> = new Map(
  Object.values(OPTIONS).map(([option, , key]) => [flagName(option), key]),
)

const OVERRIDE = /^([a-z][\w-]*(?:\.[a-z][\w-]*)*)=(.*)$/is

/**
 * Builds a configuration from the command line. Later sources take precedence: configuration file,
 * flags, `key=value` overrides.
 *
 * @param words positional arguments: the data, unless the first word is an override, and overrides
 * @param command name of the command, for the example of an error
 * @throws {ResidualError} `E_CONFIG` without a data set
 */
export function configFromArguments(
  words: readonly string[],
  flags: ConfigFlags,
  command: string,
): Draft {
  const draft = flags.config === undefined ? {} : readConfigFile(flags.config)
  const [first, ...rest] = words
  const hasData = first !== undefined && !isOverride(first)
  applyFlags(draft, { ...flags, ...(hasData && { data: undefined }) })
  if (hasData) {
    recordSetting('data.source', 'argument', first)
    setKey(draft, 'data.source', first)
  }
  for (const override of hasData ? rest : words) applyOverride(draft, override)
  // A recipe may contain the data set, and a resumed run has one.
  const isWithoutData = ['data', 'recipe', 'resume'].every((key) => draft[key] === undefined)
  if (isWithoutData) throw cliError.noData(command)
  return draft
}

/**
 * Sets the keys of flags.
 *
 * @param keys keys that differ from those of `TrainConfig`, such as `imageSize` of `bench()`
 */
export function applyFlags(
  draft: Draft,
  flags: Omit<ConfigFlags, 'config'>,
  keys: { [flag in KeyFlag]?: string } = {},
): void {
  for (const flag of Object.keys(OPTIONS) as KeyFlag[]) {
    const [option, , commonKey] = OPTIONS[flag]
    const name = flagName(option)
    const key = keys[flag] ?? commonKey
    if (keys[flag] !== undefined) recordFlag(name, key)
    const value = flags[flag]
    if (value === undefined) continue
    recordSetting(key, { flag: name }, value === true ? name : `${name} ${value}`)
    const isText = value === true || TEXT_FLAGS.includes(flag)
    setKey(draft, key, isText ? value : parseValue(value))
  }
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
  recordSetting(path, 'override', override)
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
 * @throws {ResidualError} `E_USAGE` if the file cannot be read or is larger than 128 KiB, `E_CONFIG`
 *   with the line if it is invalid
 */
export function readConfigFile(file: string): Draft {
  let text: string
  try {
    text = readConfigText(file)
  } catch (cause) {
    throw cliError.unreadableConfig(file, cause)
  }
  let yaml: YamlText
  try {
    yaml = parseYaml(text)
  } catch (error) {
    throw cliError.invalidConfig(file, (error as YamlError).line, error as Error)
  }
  recordFile(file, yaml.lineOf)
  const draft = yaml.value
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
