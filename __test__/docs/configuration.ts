import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { datasets, inspect, recipes } from 'residual'
import { ROOT } from '../child.js'

const ajv = new Ajv2020({ strict: false, validateFormats: false })
const isConfiguration = ajv.compile(
  JSON.parse(readFileSync(join(ROOT, 'config.schema.json'), 'utf8')),
)

/** What is wrong with a configuration; undefined if nothing is. Reads no images. */
export async function wrongWith(draft: Record<string, unknown>): Promise<string | undefined> {
  const { $schema, about, source: from, published, ...config } = draft // for editors and people
  if (!isConfiguration(config)) {
    // Of a value that may be this or that, the last error is only that none of them fitted.
    const unknown = isConfiguration.errors?.find(
      ({ keyword }) => keyword === 'additionalProperties',
    )
    const error = unknown ?? isConfiguration.errors?.[0]
    const key = unknown?.params.additionalProperty ?? ''
    return `${[error?.instancePath, key].filter(Boolean).join('/')} ${error?.message}`
  }
  const { data, model, recipe } = config
  const arch = wordOf(model, 'arch')
  if (arch !== undefined && arch !== 'auto') {
    const failure = await inspect(arch).catch((error: Error) => error)
    if (failure instanceof Error) return failure.message
  }
  const source = wordOf(data, 'source')
  if (source !== undefined && !isPath(source)) {
    const names = (await datasets()).map(({ name }) => name)
    if (!names.includes(source)) return `there is no data set named ${source}`
  }
  if (typeof recipe === 'string' && !isPath(recipe)) {
    const names = (await recipes()).map(({ name }) => name)
    if (!names.includes(recipe)) return `there is no recipe named ${recipe}`
  }
  return undefined
}

function wordOf(value: unknown, key: string): string | undefined {
  const word = typeof value === 'object' && value !== null ? Reflect.get(value, key) : value
  return typeof word === 'string' ? word : undefined
}

function isPath(word: string): boolean {
  return /[./]/.test(word)
}
