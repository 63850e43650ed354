// Declarations of the part of Vega that is used here. Vega's own declarations need those of a
// browser; `paths` in tsconfig.json replaces them by this file.

/** A Vega specification, compiled by vega-lite's `compile`. */
export type Spec = Record<string, unknown>

/** A parsed specification. */
export type Runtime = Record<string, unknown>

export function parse(spec: Spec): Runtime

export class View {
  constructor(runtime: Runtime, options?: { renderer?: 'none'; logger?: Logger })
  /** Renders the chart as SVG. Needs neither a DOM nor a canvas. */
  toSVG(): Promise<string>
  /** Disposes of the view and its timers. */
  finalize(): this
}

export interface Logger {
  level(): number
  level(level: number): this
  error(...details: unknown[]): this
  warn(...details: unknown[]): this
  info(...details: unknown[]): this
  debug(...details: unknown[]): this
}
