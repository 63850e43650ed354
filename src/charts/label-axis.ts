/**
 * Creates a categorical axis by index, so that two categories may have the same label. Labels enter
 * Vega's expressions only as string literals.
 */
export function labelAxis(labels: readonly string[]): {
  domain: number[]
  labelExpr: string
} {
  return {
    domain: labels.map((_, index) => index),
    labelExpr: `${toLiteral(labels)}[datum.value]`,
  }
}

/** Writes a value as a literal of Vega's expression language: JSON with two more escapes. */
function toLiteral(value: unknown): string {
  return JSON.stringify(value).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')
}
