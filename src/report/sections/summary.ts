import type { ClassMetrics, Evaluation, Split, TrainResult } from '../../native/generated.js'
import type { RunFolder } from '../../run-folder/run-folder.js'
import { fisherTest, SIGNIFICANCE_LEVEL } from '../../statistics/exact-tests.js'
import {
  compareWithGuessing,
  describeGuessing,
  type GuessingComparison,
  isNearGuessing,
} from '../../statistics/guessing.js'
import { wilsonInterval } from '../../statistics/proportion.js'
import { formatCount, formatDuration, formatInterval, formatPercent } from '../html/format.js'
import { type Content, type Html, html, isolate } from '../html/html.js'
import type { SplitEvaluation } from '../report-input.js'
import { confusedPairs } from './confusion-matrix.js'
import { suggestNextSteps } from './suggestions.js'

/** Minimum number of images of a class whose accuracy is compared with that of other classes. */
const MIN_CLASS_IMAGES = 5
/** Minimum number of images of a confused pair of classes that is mentioned. */
const MIN_CONFUSIONS = 2
/** Minimum gap between mean confidence and accuracy that counts as miscalibrated. */
const CALIBRATION_GAP = 0.04
/** Maximum number of classes that are listed by name. */
const MAX_CLASSES = 12

/**
 * Describes a run and its results in a few paragraphs, the accuracy first. If the accuracy is near
 * guessing, suggestions follow it; otherwise they are last.
 */
export function summaryParagraphs(
  run: RunFolder,
  evaluation: SplitEvaluation | undefined,
  trainCounts: readonly number[] | undefined,
): Html[] {
  const guessing = guessingComparison(run, evaluation, trainCounts)
  const suggestions = suggestNextSteps(run, evaluation, trainCounts, guessing)
  const list =
    suggestions.length > 0
      ? [
          'Suggested next steps:',
          html`<ul>${suggestions.map((sentence) => html`<li>${sentence}</li>`)}</ul>`,
        ]
      : undefined
  const accuracy =
    evaluation !== undefined
      ? describeAccuracy(run, evaluation, guessing)
      : run.result && describeRecordedAccuracy(run.result, guessing)
  const paragraphs = [
    accuracy,
    isNearGuessing(guessing) ? list : undefined,
    describeEnd(run),
    describeTraining(run),
    evaluation && describeMistakes(evaluation.evaluation),
    evaluation && describeCalibration(evaluation.evaluation),
    isNearGuessing(guessing) ? undefined : list,
  ]
  return paragraphs
    .filter((content) => content !== undefined)
    .map((content) => html`<div class="p">${content}</div>\n`)
}

/**
 * Compares the accuracy of a run with guessing. Without an evaluation, the classes are assumed to be
 * as frequent as in the training images.
 */
export function guessingComparison(
  { result, epochs }: RunFolder,
  evaluation: SplitEvaluation | undefined,
  trainCounts: readonly number[] | undefined,
): GuessingComparison | undefined {
  if (evaluation !== undefined) {
    const { accuracy, count, classes } = evaluation.evaluation
    return compareWithGuessing(
      accuracy,
      count,
      classes.map(({ count }) => count),
    )
  }
  const best = epochs.find(({ epoch }) => epoch === result?.best?.epoch)
  const metrics = result?.test ?? best?.val
  if (!metrics || trainCounts === undefined) return undefined
  return compareWithGuessing(metrics.accuracy, metrics.count, trainCounts)
}

function describeTraining({ config, start, epochs, result, environment }: RunFolder): Content {
  const { arch, weights } = config.model
  if (start === undefined) return html`The network is a ${arch}.`
  const { parameters, trainImages, data } = start
  const { classes } = data
  const names = classes
    .slice(0, MAX_CLASSES)
    .map((label, index) => [index > 0 ? ', ' : '', isolate(label)])
  const ellipsis = classes.length > MAX_CLASSES ? ', ...' : ''
  const numEpochs = result?.epochs ?? epochs.length
  const length =
    numEpochs === 0
      ? 'less than one epoch'
      : numEpochs === 1
        ? '1 epoch'
        : `${formatCount(numEpochs)} epochs`
  const initial =
    weights && weights !== 'none' ? 'from pretrained weights' : 'from randomly initialized weights'
  const seconds = result?.seconds ?? epochs.at(-1)?.seconds
  const processor = environment.device === 'cuda' ? 'GPU' : environment.cpu
  const hardware = processor === undefined ? '' : ` (${processor})`
  const time = seconds === undefined ? '' : ` Training took ${formatDuration(seconds)}${hardware}.`
  return html`This ${arch} with ${formatCount(parameters)} parameters classifies images into
${formatCount(classes.length)} classes: ${names}${ellipsis}. It was trained on ${formatCount(trainImages)}
images for ${length}, ${initial}, with batch size ${formatCount(config.batchSize)}.${time}`
}

function describeEnd({ result }: RunFolder): Content {
  switch (result?.stopReason) {
    case undefined:
      return 'The run is not finished. This report covers the completed epochs.'
    case 'stopped':
      return 'The run was stopped by the user and can be resumed.'
    case 'early-stopping':
      return 'Early stopping ended the run because the monitored metric no longer improved.'
    case 'completed':
    case 'budget':
      return undefined
  }
}

const ACCURACY: Record<Split, string> = {
  test: 'Test accuracy',
  val: 'Validation accuracy',
  train: 'Training accuracy',
}

function describeAccuracy(
  run: RunFolder,
  { split, evaluation }: SplitEvaluation,
  guessing: GuessingComparison | undefined,
): Content {
  const { accuracy, count: images } = evaluation
  const correct = formatCount(Math.round(accuracy * images))
  const caveats: Record<Split, string> = {
    test: '',
    val: ' The best epoch was selected on the same images, so accuracy on new images may be lower.',
    train: ' The network was trained on these images, so accuracy on new images is unknown.',
  }
  const best = run.result?.best ? ` The weights are those of epoch ${run.result.best.epoch}.` : ''
  const interval =
    split === 'train'
      ? ''
      : `; the 95${'\u00a0'}% confidence interval is ${formatInterval(wilsonInterval(accuracy, images))}`
  return html`${ACCURACY[split]} is <strong>${formatPercent(accuracy)}</strong> (${correct} of
${formatCount(images)} images)${interval}. ${renderGuessing(guessing)}${caveats[split]}${best}`
}

/** Describes the accuracy recorded by the run, for a report without an evaluation. */
function describeRecordedAccuracy(
  { best, test }: TrainResult,
  guessing: GuessingComparison | undefined,
): Content {
  if (test !== null && test !== undefined) {
    const interval = formatInterval(wilsonInterval(test.accuracy, test.count))
    return html`Test accuracy, measured at the end of training, was
<strong>${formatPercent(test.accuracy)}</strong> (${formatCount(test.count)} images; 95\u00a0% confidence interval
${interval}). ${renderGuessing(guessing)}`
  }
  if (best === null || best === undefined) return undefined
  return html`The best accuracy recorded during training was
<strong>${formatPercent(best.accuracy)}</strong>. ${renderGuessing(guessing)}`
}

function renderGuessing(guessing: GuessingComparison | undefined): Content {
  const sentence = guessing && describeGuessing(guessing, formatPercent)
  return guessing?.verdict === 'above' || sentence === undefined
    ? sentence
    : html`<strong>${sentence}</strong>`
}

function describeMistakes(evaluation: Evaluation): Content {
  const { classes } = evaluation
  const [pair] = confusedPairs(evaluation)
  if (pair === undefined) return 'All images were classified correctly.'
  if (pair.count < MIN_CONFUSIONS) return undefined
  const ranked = classes
    .filter(({ count }) => count >= MIN_CLASS_IMAGES)
    .sort((a, b) => a.accuracy - b.accuracy)
  const [worst, best] = [ranked[0], ranked.at(-1)]
  const trueClass = classes[pair.label]
  const label = isolate(trueClass?.label ?? '')
  const fraction = formatPercent(pair.count / (trueClass?.count ?? 1))
  const confusion = html`The most frequent mistake is “${label}” predicted as
“${isolate(classes[pair.predicted]?.label ?? '')}” (${fraction} of the “${label}” images).`
  if (worst === undefined || best === undefined || worst.accuracy === best.accuracy) {
    return confusion
  }
  const noise = isDifferenceNoise(worst, best, ranked.length)
    ? ' With so few images per class, this difference is within noise.'
    : ''
  return html`${confusion} Accuracy is highest for “${isolate(best.label)}”
(${formatPercent(best.accuracy)}) and lowest for “${isolate(worst.label)}”
(${formatPercent(worst.accuracy)}).${noise}`
}

/** Whether chance explains the difference between the best and the worst of several classes. */
function isDifferenceNoise(worst: ClassMetrics, best: ClassMetrics, numClasses: number): boolean {
  const [first, second] = [worst, best].map(({ accuracy, count }) => {
    return { correct: Math.round(accuracy * count), count }
  })
  if (first === undefined || second === undefined) return false
  // The two classes were selected from all pairs (Bonferroni).
  const numPairs = (numClasses * (numClasses - 1)) / 2
  return numPairs * fisherTest(first, second) >= SIGNIFICANCE_LEVEL
}

function describeCalibration({ calibration: { bins } }: Evaluation): Content {
  const images = bins.reduce((sum, { count }) => sum + count, 0)
  if (images === 0) return undefined
  const confidence =
    bins.reduce((sum, { count, confidence }) => sum + count * confidence, 0) / images
  const accuracy = bins.reduce((sum, { count, accuracy }) => sum + count * accuracy, 0) / images
  return html`Mean confidence is ${formatPercent(confidence)} at an accuracy of
${formatPercent(accuracy)}: ${judgeConfidence(confidence, accuracy, images)}.`
}

/** Compares the mean confidence with the accuracy of a number of images. */
function judgeConfidence(confidence: number, accuracy: number, images: number): string {
  if (Math.abs(confidence - accuracy) <= CALIBRATION_GAP) {
    return 'the network is on average neither over- nor underconfident'
  }
  const [low, high] = wilsonInterval(accuracy, images)
  if (confidence >= low && confidence <= high) {
    return 'with so few images, this difference is within noise'
  }
  return `the network is ${confidence > accuracy ? 'overconfident' : 'underconfident'}`
}
