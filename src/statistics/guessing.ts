import { wilsonInterval } from './proportion.js'

/**
 * Minimum gain of an accuracy that is clearly above guessing, as a fraction of the distance between
 * guessing and 100 %.
 */
const WEAK_GAIN = 0.1
/** Minimum ratio to the accuracy of guessing of an accuracy that is clearly above guessing. */
const CLEAR_MULTIPLE = 2

/** An accuracy compared with that of always predicting the most frequent class. */
export interface GuessingComparison {
  /** Fraction of the images that belong to the most frequent class, 0 to 1. */
  baseline: number
  /** 95 % confidence interval of the accuracy. */
  interval: [low: number, high: number]
  /** Number of images. */
  count: number
  /**
   * `above`: clearly above guessing; `weak`: barely above guessing; `unclear`: barely above guessing,
   * which the confidence interval contains; `few-images`: clearly above guessing, but the confidence
   * interval contains it because there are few images; `below`: worse than guessing.
   */
  verdict: 'above' | 'weak' | 'unclear' | 'few-images' | 'below'
}

/**
 * Compares an accuracy with guessing.
 *
 * @param classCounts number of images of each class
 * @returns undefined if there are no images, or images of a single class
 */
export function compareWithGuessing(
  accuracy: number,
  count: number,
  classCounts: readonly number[],
): GuessingComparison | undefined {
  const total = classCounts.reduce((sum, images) => sum + images, 0)
  const baseline = classCounts.reduce((max, images) => Math.max(max, images), 0) / total
  if (!(count > 0 && baseline < 1 && Number.isFinite(accuracy))) return undefined
  const [low, high] = wilsonInterval(accuracy, count)
  const isWeak =
    (accuracy - baseline) / (1 - baseline) < WEAK_GAIN && accuracy < CLEAR_MULTIPLE * baseline
  const result = { baseline, interval: [low, high] as [number, number], count }
  if (high < baseline) return { ...result, verdict: 'below' }
  if (low <= baseline) return { ...result, verdict: isWeak ? 'unclear' : 'few-images' }
  return { ...result, verdict: isWeak ? 'weak' : 'above' }
}

/** Whether an accuracy is barely above guessing, or not above it. */
export function isNearGuessing(comparison: GuessingComparison | undefined): boolean {
  return comparison !== undefined && ['weak', 'unclear', 'below'].includes(comparison.verdict)
}

/**
 * Describes the comparison in a sentence that follows the accuracy.
 *
 * @param formatPercent formats a fraction
 */
export function describeGuessing(
  { verdict, baseline, count }: GuessingComparison,
  formatPercent: (fraction: number) => string,
): string {
  const guessing = `always predicting the most frequent class would reach ${formatPercent(baseline)}`
  switch (verdict) {
    case 'above':
      return `Always predicting the most frequent class would reach ${formatPercent(baseline)}.`
    case 'weak':
      return `This is barely above guessing: ${guessing}.`
    case 'unclear':
      return `This cannot be distinguished from guessing: ${guessing}.`
    case 'few-images': {
      const images = count === 1 ? '1 image is' : `${count} images are`
      return `${images} too few to distinguish this from guessing: ${guessing}.`
    }
    case 'below':
      return `This is below guessing: ${guessing}.`
  }
}
