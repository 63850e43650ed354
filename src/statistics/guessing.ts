import { wilsonInterval } from './proportion.js'

/**
 * Part of the distance between guessing and perfect accuracy below which an accuracy is barely above
 * guessing.
 */
const WEAK_GAIN = 0.1
/** Multiple of the accuracy of guessing from which on an accuracy is not barely above guessing. */
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
   * `above`: clearly above guessing; `weak`: barely above guessing; `unclear`: the confidence
   * interval contains the accuracy of guessing; `few-images`: as `unclear`, although the accuracy
   * would be clearly above guessing on more images; `below`: worse than guessing.
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
  const verdict =
    high < baseline
      ? 'below'
      : low <= baseline
        ? isWeak
          ? 'unclear'
          : 'few-images'
        : isWeak
          ? 'weak'
          : 'above'
  return { baseline, interval: [low, high], count, verdict }
}

/** Whether the network has learned little or nothing that helps on these images. */
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
