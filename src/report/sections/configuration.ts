import { relative } from 'node:path'
import { shellQuote } from '../../errors/shell-quote.js'
import type { ResolvedConfig } from '../../native/generated.js'
import type { RunEnvironment, RunFolder } from '../../run-folder/run-folder.js'
import { type Content, type Html, html, isolate } from '../html/html.js'
import { collapsible, table } from '../html/table.js'

/** Maximum length of a value in the table, in characters. */
const MAX_VALUE_LENGTH = 160

/** Renders every setting with the reason for its value, and the configuration file as JSON. */
export function configurationTables({ config }: RunFolder): Html {
  const reasons = config.reasons ?? {}
  const rows = flattenConfig(config).map(([key, value]) => [
    html`<code>${key.split(/(?<=\.)/).map((part) => html`${part}<wbr>`)}</code>`,
    html`<code>${isolate(shorten(value))}</code>`,
    reasons[key] ?? '',
  ])
  const columns = ['key', 'value', 'reason'].map((header) => ({ header }))
  const json = html`<pre tabindex="0"><code>${JSON.stringify(config, null, 2)}</code></pre>`
  return html`${table('Configuration', columns, rows)}
${collapsible('Show config.json', json)}`
}

function shorten(value: string): string {
  return value.length > MAX_VALUE_LENGTH ? `${value.slice(0, MAX_VALUE_LENGTH)}…` : value
}

/** Flattens a configuration to dotted paths and values, as in `optimizer.lr=0.05`. */
export function flattenConfig(config: ResolvedConfig): [key: string, value: string][] {
  const { reasons: _, ...rest } = config
  return flatten(rest, '')
}

function flatten(value: unknown, path: string): [string, string][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return [[path, typeof value === 'string' ? value : JSON.stringify(value)]]
  }
  return Object.entries(value).flatMap(([key, inner]) =>
    flatten(inner, path ? `${path}.${key}` : key),
  )
}

const ENVIRONMENT: readonly [keyof RunEnvironment, string][] = [
  ['residual', 'residual'],
  ['libtorch', 'libtorch'],
  ['device', 'device'],
  ['cpu', 'CPU'],
  ['cpuCapability', 'CPU capability'],
  ['cores', 'logical cores'],
  ['threads', 'threads'],
  ['os', 'operating system'],
  ['kernel', 'OS kernel'],
  ['arch', 'CPU architecture'],
  ['seed', 'seed'],
  ['startedAt', 'started (UTC)'],
]

/** Returns the environment of a run as pairs of name and value. */
export function environmentRows(environment: Partial<RunEnvironment>): [string, string][] {
  return ENVIRONMENT.flatMap(([key, label]) => {
    const value = environment[key]
    return value === undefined || value === null ? [] : [[label, String(value)]]
  })
}

/** Renders the environment of a run. */
export function environmentTable(environment: Partial<RunEnvironment>): Html {
  const columns = [{ header: 'property' }, { header: 'value' }]
  const rows = environmentRows(environment).map(([label, value]): Content[] => [
    label,
    isolate(value),
  ])
  return table('Environment', columns, rows)
}

/** Returns the command that repeats a run; undefined for images in memory. */
export function reproduceCommand({ dir, config }: RunFolder): string | undefined {
  if (config.data.format === 'arrays') return undefined
  const path = relative(process.cwd(), dir)
  const folder = path === '' || path.startsWith('..') ? dir : path
  const words = [
    'residual',
    'train',
    '--config',
    `${folder}/config.json`,
    '--out',
    `${folder}-again`,
  ]
  return words.map(shellQuote).join(' ')
}
