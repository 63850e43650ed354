/** Maximum number of images for an exact sum; above it, the normal approximation is used. */
const MAX_EXACT = 200_000

/** p-value below which a difference is significant. */
export const SIGNIFICANCE_LEVEL = 0.05

/**
 * Returns the two-sided p-value of McNemar's exact test (1947) for two classifiers that were
 * evaluated on the same images.
 *
 * @param onlyFirst number of images that only the first classifier classified correctly
 * @param onlySecond number of images that only the second one classified correctly
 */
export function mcnemarTest(onlyFirst: number, onlySecond: number): number {
  const total = onlyFirst + onlySecond
  if (total > MAX_EXACT) return normalPValue((onlyFirst - onlySecond) / Math.sqrt(total))
  const logHalf = total * Math.LN2
  let tail = 0
  for (let count = 0; count <= Math.min(onlyFirst, onlySecond); count++) {
    tail += Math.exp(logBinomial(total, count) - logHalf)
  }
  return Math.min(1, 2 * tail)
}

/** Result of a classifier on its images. */
export interface ImageCounts {
  /** Number of correctly classified images. */
  correct: number
  /** Number of all images. */
  count: number
}

/**
 * Returns the two-sided p-value of Fisher's exact test (1922) for two classifiers that were
 * evaluated on different images: the probability of all tables that are at most as likely as the
 * observed one.
 */
export function fisherTest(first: ImageCounts, second: ImageCounts): number {
  const [correct, count] = [first.correct + second.correct, first.count + second.count]
  if (count > MAX_EXACT) {
    const variance = (correct / count) * (1 - correct / count)
    const difference = first.correct / first.count - second.correct / second.count
    return normalPValue(difference / Math.sqrt(variance * (1 / first.count + 1 / second.count)))
  }
  const logAll = logBinomial(count, correct)
  const logProbability = (inFirst: number) =>
    logBinomial(first.count, inFirst) + logBinomial(second.count, correct - inFirst) - logAll
  // Tables that are equally likely differ by rounding.
  const limit = logProbability(first.correct) + 1e-7
  let sum = 0
  const last = Math.min(first.count, correct)
  for (let inFirst = Math.max(0, correct - second.count); inFirst <= last; inFirst++) {
    const log = logProbability(inFirst)
    if (log <= limit) sum += Math.exp(log)
  }
  return Math.min(1, sum)
}

/**
 * Adjusts p-values for the number of comparisons (Holm 1979).
 *
 * @returns adjusted p-values, in the order of the arguments
 */
export function holmAdjust(pValues: readonly number[]): number[] {
  const order = pValues.map((p, index) => ({ p, index })).sort((a, b) => a.p - b.p)
  const adjusted: number[] = []
  let highest = 0
  for (const [rank, { p, index }] of order.entries()) {
    highest = Math.max(highest, Math.min(1, p * (order.length - rank)))
    adjusted[index] = highest
  }
  return adjusted
}

/**
 * Returns the two-sided p-value of a standard normal score (Abramowitz & Stegun 1964, 7.1.26; error
 * below 2e-7). A score of 0/0 has the p-value 1.
 */
function normalPValue(score: number): number {
  if (Number.isNaN(score)) return 1
  const x = Math.abs(score) / Math.SQRT2
  const t = 1 / (1 + 0.3275911 * x)
  const coefficients = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592]
  const polynomial = coefficients.reduce((sum, coefficient) => (sum + coefficient) * t, 0)
  return polynomial * Math.exp(-x * x)
}

/** Returns the natural logarithm of the binomial coefficient. */
function logBinomial(n: number, k: number): number {
  return logFactorial(n) - logFactorial(k) - logFactorial(n - k)
}

/** Returns the natural logarithm of n!, from n = 20 on by Stirling's series. */
function logFactorial(n: number): number {
  if (n < 20) {
    let sum = 0
    for (let factor = 2; factor <= n; factor++) sum += Math.log(factor)
    return sum
  }
  const x = n + 1
  const series = 1 / (12 * x) - 1 / (360 * x ** 3) + 1 / (1260 * x ** 5)
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series
}
