import { readFileSync } from 'node:fs'
import type { Command, Option } from 'commander'
import { datasets, recipes } from '../../index.js'
import { packageFile } from '../../native/loading/package-files.js'

/** All commands, `residual` itself first, with the words that may follow each. */
export type CompletionSpec = readonly CommandSpec[]

/** A command or subcommand, with the words that may follow it. */
export interface CommandSpec {
  /** `['data', 'preview']`; empty for `residual` itself. */
  path: readonly string[]
  description: string
  subcommands: readonly { name: string; description: string }[]
  options: readonly OptionSpec[]
  /** Values of positional arguments, offered beside files. */
  values: readonly string[]
  /** Overrides: `optimizer.lr=`, and `precision=fp32` for a key with a fixed set of values. */
  overrides: readonly string[]
}

/** An option, such as `--recipe NAME`. */
export interface OptionSpec {
  /** `--recipe` */
  long: string
  description: string
  takesValue: boolean
  /** Known values; if empty, the value is a file or free text. */
  values: readonly string[]
}

type Schema = Record<string, unknown>

const SHELLS = ['bash', 'zsh', 'fish']
const SPLITS = ['train', 'val', 'test']
/** Keys of recipe files and of resolved configurations that are not settings. */
const METADATA_KEYS = ['description', 'source', 'published', 'reasons']
const DEVICES = ['cpu', 'cuda']
const CROPS = ['center', 'flip', 'ten', 'multi-scale']

/** Commands that take overrides of a training configuration. */
const TRAINING_COMMANDS = [
  'train',
  'find-lr',
  'bench',
  'experiment degradation',
  'experiment repeat',
]

/** Collects everything that can be completed from a program and its configuration schema. */
export async function completionSpec(program: Command): Promise<CompletionSpec> {
  const schema: Schema = JSON.parse(readFileSync(packageFile('config.schema.json'), 'utf8'))
  const names: KnownNames = {
    networks: networksOf(schema),
    recipes: (await recipes()).map(({ name }) => name),
    datasets: (await datasets()).map(({ name }) => name),
    overrides: overridesOf(schema),
  }
  const walk = (command: Command, path: readonly string[]): CommandSpec[] => [
    commandSpec(command, path, names),
    ...command.commands.flatMap((inner) => walk(inner, [...path, inner.name()])),
  ]
  return walk(program, [])
}

interface KnownNames {
  networks: readonly string[]
  recipes: readonly string[]
  datasets: readonly string[]
  overrides: readonly string[]
}

function commandSpec(command: Command, path: readonly string[], names: KnownNames): CommandSpec {
  const name = path.join(' ')
  return {
    path,
    description: command.description(),
    subcommands: command.commands.map((inner) => ({
      name: inner.name(),
      description: inner.description(),
    })),
    options: [
      ...command.options.filter(({ hidden }) => !hidden).map((option) => optionSpec(option, names)),
      { long: '--help', description: 'display help for command', takesValue: false, values: [] },
    ],
    values: argumentValues(name, names),
    overrides: TRAINING_COMMANDS.includes(name) ? names.overrides : [],
  }
}

function optionSpec(option: Option, names: KnownNames): OptionSpec {
  const values: Record<string, readonly string[]> = {
    recipe: names.recipes,
    model: names.networks,
    data: names.datasets,
    split: SPLITS,
    crops: CROPS,
    device: DEVICES,
  }
  return {
    long: option.long ?? option.flags,
    description: option.description,
    takesValue: option.required || option.optional,
    values: option.argChoices ?? values[option.attributeName()] ?? [],
  }
}

function argumentValues(command: string, names: KnownNames): readonly string[] {
  if (command === 'completion') return SHELLS
  if (command === 'inspect' || command === 'bench') return names.networks
  const takesData =
    TRAINING_COMMANDS.includes(command) || /^(eval|data (preview|download|verify))$/.test(command)
  return takesData ? names.datasets : []
}

/** Returns the networks that the schema lists as examples. */
function networksOf(schema: Schema): readonly string[] {
  const arch = valueAt(schema, '$defs', 'ModelConfig', 'properties', 'arch')
  return strings(arch?.examples)
}

/** Returns `path=` for every key, and `path=value` for every value of an enumeration or boolean. */
function overridesOf(schema: Schema): readonly string[] {
  const found = new Set<string>()
  const walk = (node: Schema, path: string) => {
    for (const variant of variants(node, schema)) {
      const values = [variant.const, ...strings(variant.enum)].filter(
        (value) => typeof value === 'string',
      )
      for (const value of values) if (path !== '') found.add(`${path}=${value}`)
      if (variant.type === 'boolean') {
        for (const value of ['true', 'false']) found.add(`${path}=${value}`)
      }
      for (const [key, inner] of Object.entries(valueAt(variant, 'properties') ?? {})) {
        if (key.startsWith('$') || (path === '' && METADATA_KEYS.includes(key))) continue
        const innerPath = path === '' ? key : `${path}.${key}`
        found.add(`${innerPath}=`)
        walk(inner as Schema, innerPath)
      }
    }
  }
  walk(schema, '')
  return [...found].sort()
}

/** Expands `$ref`, `anyOf` and `oneOf` into a list of schemas. */
function variants(node: Schema, root: Schema): Schema[] {
  const { $ref, anyOf, oneOf } = node
  if (typeof $ref === 'string') {
    const target = valueAt(root, ...$ref.split('/').slice(1))
    return target === undefined ? [] : variants(target, root)
  }
  const inner = [anyOf, oneOf].filter(Array.isArray).flat() as Schema[]
  return [node, ...inner.flatMap((variant) => variants(variant, root))]
}

function valueAt(node: Schema, ...keys: string[]): Schema | undefined {
  let value: unknown = node
  for (const key of keys) value = (value as Schema | undefined)?.[key]
  return value as Schema | undefined
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}
