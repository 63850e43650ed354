/**
 * An axis of named things, by their indices: two may have one name, and no name becomes a part of
 * an expression of Vega's but as a text.
 */
export function labelled(labels: readonly string[]): {
  domain: number[]
  labelExpr: string
} {
  return {
    domain: labels.map((_, index) => index),
    labelExpr: `${literal(labels)}[datum.value]`,
  }
}

/** A value as Vega's expressions write it: JSON, apart from two ends of lines. */
function literal(value: unknown): string {
  return JSON.stringify(value).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')
}
