import { readFileSync } from 'node:fs'
import type { Command, Option } from 'commander'
import { datasets, recipes } from '../../index.js'

/** All that can be typed after `residual`. */
export type Vocabulary = readonly Verb[]

/** A command, or a command's command, with what may follow it. */
export interface Verb {
  /** `['data', 'show']`; empty for `residual` itself. */
  path: readonly string[]
  about: string
  /** Commands inside. */
  verbs: readonly { word: string; about: string }[]
  flags: readonly Flag[]
  /** Words that may stand where an argument does, beside files. */
  names: readonly string[]
  /** `optimizer.lr=`, `precision=fp32`: settings and, where they are few, their values. */
  settings: readonly string[]
}

/** `--recipe NAME` */
export interface Flag {
  /** `--recipe` */
  long: string
  about: string
  takesValue: boolean
  /** Its values, where they are few; else a value is a file or free text. */
  values: readonly string[]
}

type Schema = Record<string, unknown>

/** What stands in `config.schema.json`, from `dist/cli/completion`. */
const SCHEMA = new URL('../../../config.schema.json', import.meta.url)

const SHELLS = ['bash', 'zsh', 'fish']
const PARTS = ['train', 'val', 'test']
const CROPS = ['center', 'ten', 'multi-scale']

/** Verbs whose arguments are those of a training. */
const TRAINING = ['train', 'find-lr', 'bench', 'experiment degradation', 'experiment repeat']

/** The words of a program, with the names that its configuration knows. */
export async function vocabulary(program: Command): Promise<Vocabulary> {
  const schema: Schema = JSON.parse(readFileSync(SCHEMA, 'utf8'))
  const known: Names = {
    networks: networksOf(schema),
    recipes: (await recipes()).map(({ name }) => name),
    datasets: (await datasets()).map(({ name }) => name),
    settings: settingsOf(schema),
  }
  const walk = (command: Command, path: readonly string[]): Verb[] => [
    verb(command, path, known),
    ...command.commands.flatMap((inner) => walk(inner, [...path, inner.name()])),
  ]
  return walk(program, [])
}

interface Names {
  networks: readonly string[]
  recipes: readonly string[]
  datasets: readonly string[]
  settings: readonly string[]
}

function verb(command: Command, path: readonly string[], known: Names): Verb {
  const line = path.join(' ')
  return {
    path,
    about: command.description(),
    verbs: command.commands.map((inner) => ({ word: inner.name(), about: inner.description() })),
    flags: [
      ...command.options.filter(({ hidden }) => !hidden).map((option) => flag(option, known)),
      { long: '--help', about: 'show help', takesValue: false, values: [] },
    ],
    names: namesFor(line, known),
    settings: TRAINING.includes(line) ? known.settings : [],
  }
}

function flag(option: Option, known: Names): Flag {
  const values: Record<string, readonly string[]> = {
    recipe: known.recipes,
    model: known.networks,
    data: known.datasets,
    split: PARTS,
    crops: CROPS,
  }
  return {
    long: option.long ?? option.flags,
    about: option.description,
    takesValue: option.required || option.optional,
    values: option.argChoices ?? values[option.attributeName()] ?? [],
  }
}

function namesFor(line: string, known: Names): readonly string[] {
  if (line === 'completion') return SHELLS
  if (line === 'inspect' || line === 'bench') return known.networks
  const onData = TRAINING.includes(line) || /^(eval|data (show|download|verify))$/.test(line)
  return onData ? known.datasets : []
}

/** The networks that the schema names as examples. */
function networksOf(schema: Schema): readonly string[] {
  const arch = at(schema, '$defs', 'ModelConfig', 'properties', 'arch')
  return strings(arch?.examples)
}

/** Every key's path with an equals sign behind it, and the closed sets of words with theirs. */
function settingsOf(schema: Schema): readonly string[] {
  const found = new Set<string>()
  const walk = (node: Schema, path: string) => {
    for (const part of alternatives(node, schema)) {
      const words = [part.const, ...strings(part.enum)].filter((word) => typeof word === 'string')
      for (const word of words) if (path !== '') found.add(`${path}=${word}`)
      if (part.type === 'boolean')
        for (const word of ['true', 'false']) found.add(`${path}=${word}`)
      for (const [key, inner] of Object.entries(at(part, 'properties') ?? {})) {
        if (key.startsWith('$')) continue
        const place = path === '' ? key : `${path}.${key}`
        found.add(`${place}=`)
        walk(inner as Schema, place)
      }
    }
  }
  walk(schema, '')
  return [...found].sort()
}

/** What a value may be, one by one, with what is only referred to looked up. */
function alternatives(node: Schema, root: Schema): Schema[] {
  const { $ref, anyOf, oneOf } = node
  if (typeof $ref === 'string') {
    const named = at(root, ...$ref.split('/').slice(1))
    return named === undefined ? [] : alternatives(named, root)
  }
  const inner = [anyOf, oneOf].filter(Array.isArray).flat() as Schema[]
  return [node, ...inner.flatMap((one) => alternatives(one, root))]
}

function at(node: Schema, ...keys: string[]): Schema | undefined {
  let value: unknown = node
  for (const key of keys) value = (value as Schema | undefined)?.[key]
  return value as Schema | undefined
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((word) => typeof word === 'string') : []
}
