import { relative } from 'node:path'
import type { ResolvedConfig } from '../../native/generated.js'
import type { RunEnvironment, RunFolder } from '../../run-folder/run-folder.js'
import { type Content, type Html, html, name } from '../html/html.js'
import { folded, table } from '../html/table.js'

const LONGEST = 160

/** Every value of a configuration with the reason that was given for it, and the whole as JSON. */
export function configurationTables({ config }: RunFolder): Html {
  const reasons = config.reasons ?? {}
  const rows = settings(config).map(([key, value]) => [
    html`<code>${key}</code>`,
    html`<code>${name(value.length > LONGEST ? `${value.slice(0, LONGEST)}…` : value)}</code>`,
    reasons[key] ?? '',
  ])
  const columns = ['key', 'value', 'why'].map((heading) => ({ heading }))
  const json = JSON.stringify(config, null, 2)
  const whole = html`<pre tabindex="0"><code>${json}</code></pre>`
  return html`${table('Configuration', columns, rows)}
${folded('All of it as config.json, to train from', whole)}`
}

/** Each value by its path, as `optimizer.lr=0.05` would set it. */
export function settings(config: ResolvedConfig): [key: string, value: string][] {
  const { reasons: _, ...rest } = config
  return flat(rest, '')
}

function flat(value: unknown, path: string): [string, string][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return [[path, typeof value === 'string' ? value : JSON.stringify(value)]]
  }
  return Object.entries(value).flatMap(([key, inner]) => flat(inner, path ? `${path}.${key}` : key))
}

const ENVIRONMENT: readonly [keyof RunEnvironment, string][] = [
  ['residual', 'residual'],
  ['libtorch', 'libtorch'],
  ['device', 'device'],
  ['cpu', 'processor'],
  ['cpuCapability', 'instructions used'],
  ['cores', 'logical processors'],
  ['threads', 'threads'],
  ['os', 'system'],
  ['kernel', 'kernel'],
  ['arch', 'architecture'],
  ['seed', 'seed'],
  ['startedAt', 'began (UTC)'],
]

/** What a run ran on. */
export function environmentRows(environment: Partial<RunEnvironment>): [string, string][] {
  return ENVIRONMENT.flatMap(([key, label]) => {
    const value = environment[key]
    return value === undefined || value === null ? [] : [[label, String(value)]]
  })
}

export function environmentTable(environment: Partial<RunEnvironment>): Html {
  const columns = [{ heading: 'what' }, { heading: 'value' }]
  const rows = environmentRows(environment).map(([label, value]): Content[] => [label, name(value)])
  return table('Environment', columns, rows)
}

/** The command that trains the same again. */
export function repeatCommand({ dir, config }: RunFolder): string | undefined {
  if (config.data.format === 'arrays') return undefined
  const path = relative(process.cwd(), dir)
  const shown = path === '' || path.startsWith('..') ? dir : path
  const resumed = config.resume == null ? [] : ['resume=null']
  const words = ['residual', 'train', '--config', `${shown}/config.json`, '--out', `${shown}-again`]
  return [...words, ...resumed].map(quote).join(' ')
}

/** A word as a shell takes it. */
function quote(word: string): string {
  return /^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
