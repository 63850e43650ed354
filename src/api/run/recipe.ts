import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, extname, join } from 'node:path'
import { ResidualError } from '../../errors/errors.js'
import type { TrainConfig } from '../../native/generated.js'
import { RECIPES_ROOT, require } from '../../native/platform.js'
import { wordKey } from './shorthand-key.js'

/** A published way to train: a part of a configuration, and where it comes from. */
export interface Recipe {
  /** What `recipe` takes. */
  name: string
  /** What it trains, in a line. */
  about: string
  /** Who published it, and where. */
  source: string
  /** The result that they published. */
  published: string
  /** What it sets. The rest stays to `train()`'s defaults. */
  config: TrainConfig
}

/**
 * The recipes that have a name (`residual recipes`). Needs no libtorch.
 *
 * @example
 * for (const { name, published } of await recipes()) console.log(name, published)
 */
export async function recipes(): Promise<Recipe[]> {
  return names().map(readRecipe)
}

/**
 * A configuration with its recipe below it: what the configuration says counts, the rest is the
 * recipe's. (What has another `type` than in the recipe is not mixed with it.)
 *
 * @param config a configuration as plain JSON
 * @throws {ResidualError} `E_CONFIG` for a recipe that there is not
 */
export function withRecipe(config: string): string {
  const said: unknown = JSON.parse(config)
  if (!isObject(said) || typeof said.recipe !== 'string') return config
  const recipe = readRecipe(said.recipe)
  const merged = merge(recipe.config as Plain, said)
  // A file may be gone when the run's own config.json is trained again, which has all of it.
  if (isFile(said.recipe)) delete merged.recipe
  return JSON.stringify(merged)
}

type Plain = Record<string, unknown>

function merge(below: Plain, above: Plain): Plain {
  const merged = { ...below }
  for (const [key, value] of Object.entries(above)) merged[key] = one(key, below[key], value)
  // Two names for one thing: what is said counts, whichever the recipe used.
  const budget = isObject(above.budget) ? above.budget : {}
  if (budget.epochs !== undefined && above.epochs === undefined) delete merged.epochs
  if (above.epochs !== undefined && isObject(merged.budget) && budget.epochs === undefined) {
    const { epochs: _, ...rest } = merged.budget
    merged.budget = rest
  }
  return merged
}

function one(key: string, below: unknown, above: unknown): unknown {
  if (!isObject(below)) return above
  const said = typeof above === 'string' ? { [wordKey(key)]: above } : above
  if (!isObject(said)) return above
  const another = said.type !== undefined && below.type !== undefined && said.type !== below.type
  return another ? said : merge(below, said)
}

/** A recipe by its name, or out of a file (`./mine.yaml`). */
function readRecipe(name: string): Recipe {
  const file = isFile(name) ? name : join(RECIPES_ROOT, `${name}.yaml`)
  if (!isFile(name) && !names().includes(name)) {
    throw new ResidualError({
      code: 'E_CONFIG',
      message: `there is no recipe '${name}'`,
      at: { key: 'recipe' },
      hint: `Known: ${names().join(', ')}. A file of your own is written ./${name}.yaml.`,
    })
  }
  const { about, source, published, ...config } = readPlain(file)
  return {
    name: basename(file, extname(file)),
    about: String(about ?? ''),
    source: String(source ?? ''),
    published: String(published ?? ''),
    config,
  }
}

function readPlain(file: string): Plain {
  // Loaded when it is first needed: most programs name no recipe.
  const { parse } = require('yaml') as typeof import('yaml')
  let read: unknown
  try {
    read = parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new ResidualError(
      {
        code: 'E_CONFIG',
        message: `the recipe ${file} could not be read: ${(cause as Error).message}`,
        at: { key: 'recipe', file },
        hint: `Give a YAML file, or one of ${names().join(', ')}.`,
      },
      { cause },
    )
  }
  if (isObject(read)) return read
  throw new ResidualError({
    code: 'E_CONFIG',
    message: `the recipe ${file} must hold keys and values, as in \`epochs: 30\``,
    at: { key: 'recipe', file },
  })
}

function names(): string[] {
  if (!existsSync(RECIPES_ROOT)) return []
  return readdirSync(RECIPES_ROOT)
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => basename(file, '.yaml'))
    .sort()
}

function isFile(name: string): boolean {
  return /[\\/]|\.(ya?ml|json)$/i.test(name)
}

function isObject(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
