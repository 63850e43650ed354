import type { EpochEvent } from '../native/generated.js'
import type { RunFolder } from '../run-folder/run-folder.js'
import {
  fisherTest,
  holmAdjust,
  mcnemarTest,
  SIGNIFICANCE_LEVEL,
} from '../statistics/exact-tests.js'

/** Accuracy by which a run is ranked. */
export interface RankingAccuracy {
  accuracy: number
  split: 'val' | 'train'
  /** Number of images; undefined if unknown. */
  count: number | undefined
}

/**
 * Returns the accuracy by which a run is ranked: that of its best epoch on validation images, or
 * else on training images. Test accuracy is not used, since selecting a run by it would bias it.
 */
export function rankingAccuracy({ result, epochs, start }: RunFolder): RankingAccuracy | undefined {
  const best = epochs.find(({ epoch }) => epoch === result?.best?.epoch) ?? bestEpoch(epochs)
  const accuracy = result?.best?.accuracy ?? (best?.val ?? best?.train)?.accuracy
  if (typeof accuracy !== 'number' || !Number.isFinite(accuracy)) return undefined
  const hasValidation = best === undefined ? start?.valImages !== 0 : best.val !== null
  const count = (best?.val ?? best?.train)?.count
  const isKnown = count !== undefined && Number.isInteger(count) && count > 0
  return { accuracy, split: hasValidation ? 'val' : 'train', count: isKnown ? count : undefined }
}

function bestEpoch(epochs: readonly EpochEvent[]): EpochEvent | undefined {
  const accuracy = ({ val, train }: EpochEvent) => (val ?? train).accuracy
  return epochs.reduce<EpochEvent | undefined>(
    (best, epoch) => (best === undefined || accuracy(epoch) > accuracy(best) ? epoch : best),
    undefined,
  )
}

/** Test of whether the accuracies of two runs differ. */
export interface AccuracyTest {
  /** Two-sided p-value. */
  p: number
  /**
   * Numbers of validation images that only one of the runs classified correctly, if both runs were
   * evaluated on the same images; undefined for an unpaired test.
   */
  paired: { onlyFirst: number; onlySecond: number; count: number } | undefined
}

/** A test, or the reason why the accuracies cannot be compared. */
export type AccuracyComparison = AccuracyTest | { missing: string }

/**
 * Compares the validation accuracy of two runs: by McNemar's exact test if both were evaluated on
 * the same images, otherwise by Fisher's exact test.
 */
export function compareAccuracy(first: RunFolder, second: RunFolder): AccuracyComparison {
  const [a, b] = [rankingAccuracy(first), rankingAccuracy(second)]
  if (a === undefined || b === undefined) return { missing: 'no completed epoch' }
  if (a.split === 'train' || b.split === 'train') return { missing: 'no validation split' }
  const fingerprints = [first, second].map(({ start }) => start?.data.fingerprint)
  if (fingerprints[0] !== fingerprints[1]) return { missing: 'different images' }
  const paired = pairOutcomes(validationOutcomes(first), validationOutcomes(second))
  if (paired !== undefined) return { p: mcnemarTest(paired.onlyFirst, paired.onlySecond), paired }
  if (a.count === undefined || b.count === undefined) return { missing: 'unknown number of images' }
  const toCorrect = ({ accuracy }: RankingAccuracy, count: number) => {
    return { correct: Math.round(accuracy * count), count }
  }
  return { p: fisherTest(toCorrect(a, a.count), toCorrect(b, b.count)), paired: undefined }
}

/**
 * Compares the first run with each of the others.
 *
 * @returns comparisons by index, with p-values adjusted for the number of tests (Holm 1979)
 */
export function compareWithFirst(runs: readonly RunFolder[]): AccuracyComparison[] {
  const [first, ...others] = runs
  if (first === undefined) return []
  const comparisons = others.map((run) => compareAccuracy(first, run))
  const adjusted = holmAdjust(comparisons.flatMap((test) => ('p' in test ? [test.p] : [])))
  let next = 0
  return comparisons.map((test) => ('p' in test ? { ...test, p: adjusted[next++] ?? 1 } : test))
}

/** Whether a difference may be due to the limited number of images. */
export function isWithinNoise({ p }: AccuracyTest): boolean {
  return p >= SIGNIFICANCE_LEVEL
}

/** Returns the outcomes of the best epoch on the validation images, if the run stored them. */
function validationOutcomes({ evaluation, result, epochs }: RunFolder): string | undefined {
  const best = result?.best?.epoch ?? bestEpoch(epochs)?.epoch
  return evaluation?.epoch === best ? evaluation?.valOutcomes : undefined
}

/** Counts the images that only one run classified correctly; undefined if the images differ. */
function pairOutcomes(first: string | undefined, second: string | undefined) {
  if (first === undefined || first.length !== second?.length) return undefined
  let [onlyFirst, onlySecond, count] = [0, 0, 0]
  for (let index = 0; index < first.length; index++) {
    const [a, b] = [first[index], second[index]]
    if ((a === '-') !== (b === '-')) return undefined
    if (a === '-') continue
    count++
    if (a === '1' && b === '0') onlyFirst++
    if (a === '0' && b === '1') onlySecond++
  }
  return count === 0 ? undefined : { onlyFirst, onlySecond, count }
}
