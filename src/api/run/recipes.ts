import { readdirSync } from 'node:fs'
import { basename, extname } from 'node:path'
import { ResidualError } from '../../errors/errors.js'
import { checkOptions } from '../../native/arguments/check-options.js'
import type { TrainConfig } from '../../native/generated.js'
import { incompletePackageError } from '../../native/loading/package-contents.js'
import { packageFile } from '../../native/loading/package-files.js'
import { isObject, type JsonObject } from '../../run-folder/json-object.js'
import { shorthandKey } from './shorthand-key.js'
import { didYouMean } from './suggestions.js'
import { parseYaml, readConfigText, YamlError, type YamlText } from './yaml-text.js'

/** A published training configuration. */
export interface Recipe {
  /** Value of the configuration key `recipe`. */
  name: string
  /** One-line summary of the network and the data set. */
  description: string
  /** Authors and publication. */
  source: string
  /** Published result, such as an accuracy. */
  published: string
  /** Configuration keys of the recipe; all other keys have the defaults of `train()`. */
  config: TrainConfig
}

/**
 * Lists the recipes of this package (`residual recipes`). Does not load libtorch.
 *
 * @example
 * for (const { name, published } of await recipes()) console.log(name, published)
 */
export async function recipes(): Promise<Recipe[]> {
  return recipeNames().map(readRecipe)
}

/**
 * Merges a configuration with the recipe of its key `recipe`. Keys of the configuration override
 * those of the recipe. A section whose `type` differs replaces the recipe's section entirely.
 *
 * @param json a configuration as JSON
 * @throws {ResidualError} `E_CONFIG` if the recipe does not exist
 */
export function applyRecipe(json: string): string {
  const config: unknown = JSON.parse(json)
  if (!isObject(config) || typeof config.recipe !== 'string') return json
  const recipe = readRecipe(config.recipe)
  const merged = merge(recipe.config as JsonObject, config)
  // The run's config.json contains all values and must not depend on the recipe file.
  if (isFile(config.recipe)) delete merged.recipe
  return JSON.stringify(merged)
}

function merge(base: JsonObject, overrides: JsonObject): JsonObject {
  const merged = { ...base }
  for (const [key, value] of Object.entries(overrides)) {
    merged[key] = mergeKey(key, base[key], value)
  }
  // `epochs` and `budget.epochs` are the same setting: an override of one removes the other.
  const budget = isObject(overrides.budget) ? overrides.budget : {}
  if (budget.epochs !== undefined && overrides.epochs === undefined) delete merged.epochs
  if (overrides.epochs !== undefined && isObject(merged.budget) && budget.epochs === undefined) {
    const { epochs: _, ...rest } = merged.budget
    merged.budget = rest
  }
  return merged
}

function mergeKey(key: string, base: unknown, override: unknown): unknown {
  if (!isObject(base)) return override
  const value = typeof override === 'string' ? { [shorthandKey(key)]: override } : override
  if (!isObject(value)) return override
  const typeDiffers =
    value.type !== undefined && base.type !== undefined && value.type !== base.type
  return typeDiffers ? value : merge(base, value)
}

/** Reads a recipe by name, or from a file such as `./mine.yaml`. */
function readRecipe(name: string): Recipe {
  const file = isFile(name) ? name : packageFile('recipes', `${name}.yaml`)
  if (!isFile(name) && !recipeNames().includes(name)) {
    throw new ResidualError({
      code: 'E_CONFIG',
      message: `there is no recipe '${name}'`,
      at: { key: 'recipe' },
      hint:
        didYouMean(name, recipeNames()) ??
        `Known recipes: ${recipeNames().join(', ')}. For a file, write ./${name}.yaml.`,
    })
  }
  const { value, lineOf } = readYaml(file)
  const { description, source, published, ...config } = value
  if (isFile(name)) checkKeys(config, file, lineOf)
  return {
    name: basename(file, extname(file)),
    description: String(description ?? ''),
    source: String(source ?? ''),
    published: String(published ?? ''),
    config,
  }
}

/** Checks the keys and types of a recipe file, to report the line of an error. */
function checkKeys(config: JsonObject, file: string, lineOf: YamlText['lineOf']): void {
  try {
    checkOptions('train', JSON.stringify(config))
  } catch (error) {
    if (!(error instanceof ResidualError)) throw error
    const { code, message, at, hint } = error
    const line = lineOf(at.key ?? '')
    throw new ResidualError({
      code,
      message,
      at: { ...at, file, ...(line !== undefined && { line }) },
      hint,
    })
  }
}

function readYaml(file: string): { value: JsonObject; lineOf: YamlText['lineOf'] } {
  let yaml: YamlText
  try {
    yaml = parseYaml(readConfigText(file))
  } catch (cause) {
    const line = cause instanceof YamlError ? cause.line : undefined
    throw new ResidualError(
      {
        code: 'E_CONFIG',
        message: `the recipe ${file} could not be read: ${(cause as Error).message}`,
        at: { key: 'recipe', file, ...(line !== undefined && { line }) },
        hint: `Use the path of a YAML file, or one of ${recipeNames().join(', ')}.`,
      },
      { cause },
    )
  }
  const { value, lineOf } = yaml
  if (isObject(value)) return { value, lineOf }
  throw new ResidualError({
    code: 'E_CONFIG',
    message: `the recipe ${file} must contain keys and values, such as \`epochs: 30\``,
    at: { key: 'recipe', file },
  })
}

/**
 * Lists the names of the recipes of this package.
 *
 * @throws {ResidualError} `E_PLATFORM` if they are missing
 */
export function recipeNames(): string[] {
  let files: string[] = []
  try {
    files = readdirSync(packageFile('recipes')).filter((file) => file.endsWith('.yaml'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  if (files.length === 0) throw incompletePackageError('recipes')
  return files.map((file) => basename(file, '.yaml')).sort()
}

function isFile(name: string): boolean {
  return /[\\/]|\.(ya?ml|json)$/i.test(name)
}
