import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { datasets, inspect, recipes } from 'residual'
import { ROOT } from '../child.js'

const ajv = new Ajv2020({ strict: false, validateFormats: false })
const isConfig = ajv.compile(JSON.parse(readFileSync(join(ROOT, 'config.schema.json'), 'utf8')))

/** Returns the first error in a configuration, without reading images. */
export async function configError(draft: Record<string, unknown>): Promise<string | undefined> {
  const { $schema, description, source: _, published, ...config } = draft // not configuration
  if (!isConfig(config)) {
    // For a union, the last error only says that no alternative matched.
    const unknownKey = isConfig.errors?.find(({ keyword }) => keyword === 'additionalProperties')
    const error = unknownKey ?? isConfig.errors?.[0]
    const key = unknownKey?.params.additionalProperty ?? ''
    return `${[error?.instancePath, key].filter(Boolean).join('/')} ${error?.message}`
  }
  const { data, model, recipe } = config
  const arch = textOf(model, 'arch')
  if (arch !== undefined && arch !== 'auto') {
    const result = await inspect(arch).catch((error: Error) => error)
    if (result instanceof Error) return result.message
  }
  const source = textOf(data, 'source')
  if (source !== undefined && !isPath(source)) {
    const names = (await datasets()).map(({ name }) => name)
    if (!names.includes(source)) return `unknown data set ${source}`
  }
  if (typeof recipe === 'string' && !isPath(recipe)) {
    const names = (await recipes()).map(({ name }) => name)
    if (!names.includes(recipe)) return `unknown recipe ${recipe}`
  }
  return undefined
}

/** Returns the text of a setting: the setting itself, or the value of a key if it is an object. */
function textOf(value: unknown, key: string): string | undefined {
  const text = typeof value === 'object' && value !== null ? Reflect.get(value, key) : value
  return typeof text === 'string' ? text : undefined
}

function isPath(text: string): boolean {
  return /[./]/.test(text)
}
