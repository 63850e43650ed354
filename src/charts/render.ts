import type { Logger } from 'vega'
import type { LiteSpec } from 'vega-lite'
import { ResidualError } from '../errors/errors.js'
import { replaceForbidden } from '../image-grid/svg-text.js'
import { THEME } from './theme.js'

/**
 * Renders a Vega-Lite specification as SVG with the common theme. The specification must contain
 * its data, since nothing is fetched. Vega is imported on first use.
 */
export async function renderChart(spec: LiteSpec): Promise<string> {
  const [{ compile }, { parse, View }] = await importVega()
  const guarded = guardNames(spec) as LiteSpec
  const { spec: compiled } = compile({ ...guarded, config: THEME }, { logger: STRICT_LOGGER })
  const view = new View(parse(compiled), { renderer: 'none', logger: STRICT_LOGGER })
  try {
    // Vega writes control characters of names into the SVG, which XML does not allow.
    return replaceForbidden((await view.toSVG()).replaceAll(GUARD, ''))
  } finally {
    view.finalize()
  }
}

/** Imports Vega, which opens more than a hundred files at the same time. */
async function importVega() {
  try {
    return await Promise.all([import('vega-lite'), import('vega')])
  } catch (cause) {
    throw new ResidualError(
      {
        code: 'E_IO',
        message: `the chart library could not be loaded: ${(cause as Error).message}`,
        hint: 'Raise the limit of open files, for example `ulimit -n 1024`, or reinstall the package.',
      },
      { cause },
    )
  }
}

/** Invisible character (word joiner) before strings that `guardNames` marks; removed from the SVG. */
const GUARD = '\u2060'

/**
 * Marks all strings that are properties of every object, such as `constructor`: Vega uses strings
 * as keys of plain objects.
 */
function guardNames(value: unknown): unknown {
  if (typeof value === 'string')
    return Object.hasOwn(Object.prototype, value) ? GUARD + value : value
  if (Array.isArray(value)) return value.map(guardNames)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, guardNames(inner)]))
}

/** Turns warnings of Vega into errors: a chart that differs from its specification is a bug. */
const STRICT_LOGGER: Logger = {
  // Vega calls `level()` to read and to set the level; 2 is `warn`.
  level(): never {
    return 2 as never
  },
  error: (...details) => fail(details),
  warn: (...details) => fail(details),
  info: () => STRICT_LOGGER,
  debug: () => STRICT_LOGGER,
}

function fail(details: unknown[]): never {
  const error = details.find((detail) => detail instanceof Error)
  throw error ?? new Error(`the chart could not be rendered: ${details.join(' ')}`)
}
