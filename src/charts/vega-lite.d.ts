// What we call of Vega-Lite; see vega.d.ts.

import type { Logger, Spec } from 'vega'

/** A Vega-Lite specification. */
export type LiteSpec = Record<string, unknown>

export function compile(spec: LiteSpec, options?: { logger?: Logger }): { spec: Spec }
