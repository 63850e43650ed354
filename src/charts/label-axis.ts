/**
 * Creates a categorical axis by index, so that two categories may have the same label. Labels enter
 * Vega's expressions only as string literals. Each literal starts with a dot, which the expression
 * removes, because Vega replaces literals that equal the name of a signal (`width`) or of a property
 * of every object (`constructor`).
 */
export function labelAxis(labels: readonly string[]): {
  domain: number[]
  labelExpr: string
} {
  return {
    domain: labels.map((_, index) => index),
    labelExpr: `slice(${toLiteral(labels.map((label) => `.${label}`))}[datum.value], 1)`,
  }
}

/** Writes a value as a literal of Vega's expression language: JSON with two more escapes. */
function toLiteral(value: unknown): string {
  return JSON.stringify(value).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')
}
