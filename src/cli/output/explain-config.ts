import type { ResolvedConfig } from '../../index.js'
import { type Draft, isDraft, says } from '../arguments/config-arguments.js'
import { columnsOf, padEnd, shorten, widthOf } from './terminal.js'
import { table } from './text-table.js'

const { stderr } = process

/** A value takes no more of the line, or no room is left to say why. `--explain` tells all of it. */
const VALUE = 20

/** What a person would have had to think about, in the order of the thinking. */
const CHOICES: readonly (readonly [key: string, name: string])[] = [
  ['model.arch', 'model'],
  ['model.weights', 'weights'],
  ['data.imageSize', 'image size'],
  ['data.validation', 'validation'],
  ['batchSize', 'batch'],
  ['budget.epochs', 'epochs'],
  ['optimizer.lr', 'learning rate'],
  ['schedule', 'schedule'],
  ['transform.crop', 'crop'],
  ['transform.flip', 'mirroring'],
  ['transform.policy', 'policy'],
  ['transform.mix', 'mixing'],
  ['model.freeze', 'frozen'],
  ['precision', 'precision'],
  ['device', 'device'],
]

/** Two keys of one value. */
const TWINS: Record<string, readonly string[]> = {
  epochs: ['budget.epochs'],
  'budget.epochs': ['epochs'],
}

/** Spaces that stand before such a line. */
const INDENT = 2

/**
 * A line for each choice that was made for the user: what, and why.
 *
 * @param columns of what it is written to
 */
export function choices(config: ResolvedConfig, columns = columnsOf(stderr)): string[] {
  const made = CHOICES.flatMap(([key, name]) => {
    const reason = reasonFor(config, key)
    const value = shorten(shown(valueAt(config, key)), VALUE)
    return reason === undefined ? [] : [[name, value, reason] as const]
  })
  const [names, values] = [0, 1].map((column) =>
    Math.max(...made.map((row) => widthOf(row[column] as string))),
  ) as [number, number]
  const room = columns - INDENT
  return made.map(([name, value, reason]) =>
    shorten(`${padEnd(name, names)}  ${padEnd(value, values)}  ${reason}`, room),
  )
}

/**
 * Every value of a configuration with where it is from: what was said, the recipe, a reason found
 * in the data or the machine, or the default.
 *
 * @param said what the user said: file, flags and settings
 * @param recipe what the recipe below it says
 */
export function explanation(config: ResolvedConfig, said: Draft, recipe: Draft = {}): string {
  const origin = (key: string) => {
    const names = [key, ...(TWINS[key] ?? [])]
    if (names.some((name) => says(said, name))) return 'as you said'
    if (names.some((name) => says(recipe, name))) return `recipe ${config.recipe ?? ''}`.trimEnd()
    return names.map((name) => reasonFor(config, name)).find(Boolean) ?? 'default'
  }
  const rows = leaves(config).map(([key, value]) => [key, shown(value), origin(key)])
  return table(['key', 'value', 'why'], rows, { left: [0, 1, 2] })
}

/** The reason for a key, or for the part of the configuration that it stands in. */
function reasonFor({ reasons }: ResolvedConfig, key: string): string | undefined {
  if (Object.hasOwn(reasons, key)) return reasons[key]
  const end = key.lastIndexOf('.')
  return end < 0 ? undefined : reasonFor({ reasons } as ResolvedConfig, key.slice(0, end))
}

/** All values but the reasons, by their path. */
function leaves(config: ResolvedConfig): [key: string, value: unknown][] {
  const walk = (value: unknown, path: string): [string, unknown][] =>
    isDraft(value)
      ? Object.entries(value).flatMap(([key, inner]) => walk(inner, path ? `${path}.${key}` : key))
      : [[path, value]]
  const { reasons: _, ...values } = config
  return walk(values, '')
}

function valueAt(config: ResolvedConfig, key: string): unknown {
  let value: unknown = config
  for (const part of key.split('.')) value = isDraft(value) ? value[part] : undefined
  return value
}

/** A value in a word or two: `pad, padding 4`. */
function shown(value: unknown): string {
  if (value === null) return 'none'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(shown).join(', ')
  if (typeof value === 'number') return String(Number(value.toPrecision(6)))
  if (!isDraft(value)) return String(value)
  const { type, ...rest } = value
  const parts = Object.entries(rest).map(([key, inner]) => `${key} ${shown(inner)}`)
  return [...(type === undefined ? [] : [String(type)]), ...parts].join(', ')
}
