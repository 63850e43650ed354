// What we call of Vega. Its own declarations need a browser's, which this package does without;
// tsconfig.json's `paths` puts this file in their place.

/** A Vega specification, made by vega-lite's `compile`. */
export type Spec = Record<string, unknown>

/** A parsed specification. */
export type Runtime = Record<string, unknown>

export function parse(spec: Spec): Runtime

export class View {
  constructor(runtime: Runtime, options?: { renderer?: 'none'; logger?: Logger })
  /** The figure as SVG. Needs neither a DOM nor a canvas. */
  toSVG(): Promise<string>
  /** Ends it, with its timers. */
  finalize(): this
}

export interface Logger {
  level(): number
  level(level: number): this
  error(...words: unknown[]): this
  warn(...words: unknown[]): this
  info(...words: unknown[]): this
  debug(...words: unknown[]): this
}
