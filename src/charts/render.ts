import type { Logger } from 'vega'
import type { LiteSpec } from 'vega-lite'
import { THEME } from './theme.js'

/**
 * Renders a Vega-Lite specification as SVG with the common theme. The specification must contain
 * its data, since nothing is fetched. Vega is imported on first use.
 */
export async function renderChart(spec: LiteSpec): Promise<string> {
  const [{ compile }, { parse, View }] = await Promise.all([import('vega-lite'), import('vega')])
  const { spec: compiled } = compile({ ...spec, config: THEME }, { logger: STRICT_LOGGER })
  const view = new View(parse(compiled), { renderer: 'none', logger: STRICT_LOGGER })
  try {
    return await view.toSVG()
  } finally {
    view.finalize()
  }
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
