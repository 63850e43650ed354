// Declarations of the part of Vega-Lite that is used here; see vega.d.ts.

import type { Logger, Spec } from 'vega'

/** A Vega-Lite specification. */
export type LiteSpec = Record<string, unknown>

export function compile(spec: LiteSpec, options?: { logger?: Logger }): { spec: Spec }
