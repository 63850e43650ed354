import type { ResolvedConfig } from '../../../index.js'
import { isObject } from '../../../run-folder/json-object.js'
import { type Draft, definesKey } from '../../arguments/config-arguments.js'
import { GAP } from '../fit-columns.js'
import { displayWidth, outputWidth, padEnd, terminalWidth, truncate, wrap } from '../terminal.js'
import { formatTable } from '../text-table.js'

const { stderr } = process

/**
 * Maximum width of a value, which leaves room for its reason. `--explain` does not truncate values.
 */
const MAX_VALUE_WIDTH = 20

/** Minimum width of a reason beside its value. */
const MIN_REASON_WIDTH = 24

/** Indentation that the caller adds to each line, in columns. */
const INDENT = 2

/** Keys whose automatically chosen values are shown without `--explain`, with their names. */
const SHOWN_KEYS: readonly (readonly [key: string, name: string])[] = [
  ['model.arch', 'model'],
  ['model.weights', 'weights'],
  ['data.imageSize', 'image size'],
  ['data.validation', 'validation'],
  ['batchSize', 'batch size'],
  ['budget.epochs', 'epochs'],
  ['optimizer.lr', 'learning rate'],
  ['schedule', 'schedule'],
  ['transform.crop', 'crop'],
  ['transform.flip', 'horizontal flip'],
  ['transform.policy', 'augmentation policy'],
  ['transform.mix', 'mixup'],
  ['model.freeze', 'frozen layers'],
  ['precision', 'precision'],
  ['device', 'device'],
]

/** Keys that refer to the same value. */
const ALIASES: Record<string, readonly string[]> = {
  epochs: ['budget.epochs'],
  'budget.epochs': ['epochs'],
}

/**
 * Formats each automatically chosen value: its name, the value and the reason, wrapped at words.
 *
 * @param width of the terminal in columns
 */
export function formatChosenValues(
  config: ResolvedConfig,
  width = terminalWidth(stderr),
): string[] {
  const chosen = SHOWN_KEYS.flatMap(([key, name]) => {
    const reason = reasonFor(config, key)
    const value = shorten(formatValue(valueAt(config, key)))
    return reason === undefined ? [] : [[name, value, reason] as const]
  })
  const [nameWidth, valueWidth] = [0, 1].map((column) =>
    Math.max(...chosen.map((row) => displayWidth(row[column] as string))),
  ) as [number, number]
  const maxWidth = width - INDENT
  const start = nameWidth + valueWidth + 2 * GAP.length
  return chosen.flatMap(([name, value, reason]) => {
    const setting = `${padEnd(name, nameWidth)}${GAP}${padEnd(value, valueWidth)}`
    if (maxWidth - start >= MIN_REASON_WIDTH) {
      return wrap(`${setting}${GAP}${reason}`, maxWidth, ' '.repeat(start)).split('\n')
    }
    // In a narrow terminal, the reason is below the value.
    return [setting.trimEnd(), ...wrap(`${GAP}${reason}`, maxWidth, GAP).split('\n')]
  })
}

/** Omits the last settings of a value that is too wide. */
function shorten(value: string): string {
  if (displayWidth(value) <= MAX_VALUE_WIDTH) return value
  const settings = value.split(', ')
  while (settings.length > 1) {
    settings.pop()
    const shortened = `${settings.join(', ')}, …`
    if (displayWidth(shortened) <= MAX_VALUE_WIDTH) return shortened
  }
  return truncate(value, MAX_VALUE_WIDTH)
}

/**
 * Formats every value of a configuration with its origin: the user, the recipe, a reason derived
 * from the data or the machine, or the default.
 *
 * @param userConfig values from the configuration file and the command line
 * @param recipe values that the recipe sets
 * @param stream where the table is printed; its width limits the rows
 */
export function explainConfig(
  config: ResolvedConfig,
  userConfig: Draft,
  recipe: Draft = {},
  stream: NodeJS.WriteStream = stderr,
): string {
  const origin = (key: string) => {
    const names = [key, ...(ALIASES[key] ?? [])]
    if (names.some((name) => definesKey(userConfig, name))) return 'set by you'
    if (names.some((name) => definesKey(recipe, name))) {
      return `recipe ${config.recipe ?? ''}`.trimEnd()
    }
    return names.map((name) => reasonFor(config, name)).find(Boolean) ?? 'default'
  }
  const rows = leafValues(config).map(([key, value]) => [key, formatValue(value), origin(key)])
  const layout = { left: [0, 1, 2], width: outputWidth(stream), wrapLast: true }
  return formatTable(['key', 'value', 'reason'], rows, layout)
}

/** Returns the reason for a key, or for the object that contains it. */
function reasonFor({ reasons }: ResolvedConfig, key: string): string | undefined {
  if (Object.hasOwn(reasons, key)) return reasons[key]
  const end = key.lastIndexOf('.')
  return end < 0 ? undefined : reasonFor({ reasons } as ResolvedConfig, key.slice(0, end))
}

/** Returns all values but the reasons, by their paths. */
function leafValues(config: ResolvedConfig): [key: string, value: unknown][] {
  const walk = (value: unknown, path: string): [string, unknown][] =>
    isObject(value)
      ? Object.entries(value).flatMap(([key, inner]) => walk(inner, path ? `${path}.${key}` : key))
      : [[path, value]]
  const { reasons: _, ...values } = config
  return walk(values, '')
}

function valueAt(config: ResolvedConfig, key: string): unknown {
  let value: unknown = config
  for (const part of key.split('.')) value = isObject(value) ? value[part] : undefined
  return value
}

/** Formats a value in a few words: `pad, padding 4`. */
function formatValue(value: unknown): string {
  if (value === null) return 'none'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(formatValue).join(', ')
  if (typeof value === 'number') return String(Number(value.toPrecision(6)))
  if (!isObject(value)) return String(value)
  const { type, ...rest } = value
  const parts = Object.entries(rest).map(([key, inner]) => `${key} ${formatValue(inner)}`)
  return [...(type === undefined ? [] : [String(type)]), ...parts].join(', ')
}
