import type { Logger } from 'vega'
import type { LiteSpec } from 'vega-lite'
import { STYLE } from './theme.js'

/**
 * Draws a Vega-Lite specification as SVG, in the style that all figures share. Vega is loaded at
 * the first call. Nothing is fetched: the data is in the specification.
 */
export async function draw(spec: LiteSpec): Promise<string> {
  const [{ compile }, { parse, View }] = await Promise.all([import('vega-lite'), import('vega')])
  const { spec: compiled } = compile({ ...spec, config: STYLE }, { logger: STRICT })
  const view = new View(parse(compiled), { renderer: 'none', logger: STRICT })
  try {
    return await view.toSVG()
  } finally {
    view.finalize()
  }
}

/** A figure that draws something else than what was meant is a defect, and not a line on stderr. */
const STRICT: Logger = {
  // Vega reads and sets a level; ours stays at 2, its "warn".
  level(): never {
    return 2 as never
  },
  error: (...words) => fail(words),
  warn: (...words) => fail(words),
  info: () => STRICT,
  debug: () => STRICT,
}

function fail(words: unknown[]): never {
  const error = words.find((word) => word instanceof Error)
  throw error ?? new Error(`a figure could not be drawn: ${words.join(' ')}`)
}
