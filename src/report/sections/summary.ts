import type { Evaluation, Metric, Split, TrainResult } from '../../native/generated.js'
import type { RunFolder } from '../../run-folder/run-folder.js'
import { formatCount, formatDuration, formatPercent, wilsonInterval } from '../html/format.js'
import { type Content, type Html, html, isolate } from '../html/html.js'
import type { SplitEvaluation } from '../report-input.js'
import { confusedPairs } from './confusion-matrix.js'

/** Minimum number of images for a reliable accuracy. */
const MIN_IMAGES = 200
/** Minimum gap between training and validation accuracy that counts as overfitting. */
const OVERFITTING_GAP = 0.1
/** Minimum number of images of a class whose accuracy is compared with that of other classes. */
const MIN_CLASS_IMAGES = 5
/** Minimum number of images of a confused pair of classes that is mentioned. */
const MIN_CONFUSIONS = 2
/** Minimum gap between mean confidence and accuracy that counts as miscalibrated. */
const CALIBRATION_GAP = 0.04
/** Minimum ratio between the most and the least frequent class that counts as imbalanced. */
const IMBALANCE_RATIO = 4
/** Maximum number of classes that are listed by name. */
const MAX_CLASSES = 12

const METRICS: Record<Metric, string> = {
  'train.loss': 'Training loss',
  'train.accuracy': 'Training accuracy',
  'val.loss': 'Validation loss',
  'val.accuracy': 'Validation accuracy',
}

/** Describes a run and its results in a few paragraphs. */
export function summaryParagraphs(
  run: RunFolder,
  evaluation: SplitEvaluation | undefined,
  trainCounts: readonly number[] | undefined,
): Html[] {
  const paragraphs = [describeTraining(run), describeEnd(run)]
  if (evaluation !== undefined) {
    paragraphs.push(
      describeAccuracy(run, evaluation),
      describeMistakes(evaluation.evaluation),
      describeCalibration(evaluation.evaluation),
    )
  } else if (run.result?.best) {
    paragraphs.push(describeRecordedAccuracy(run.result))
  }
  const suggestions = suggestNextSteps(run, evaluation, trainCounts)
  if (suggestions.length > 0) {
    paragraphs.push([
      'Suggested next steps:',
      html`<ul>${suggestions.map((sentence) => html`<li>${sentence}</li>`)}</ul>`,
    ])
  }
  return paragraphs
    .filter((content) => content !== undefined)
    .map((content) => html`<div class="p">${content}</div>\n`)
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

function describeAccuracy(run: RunFolder, { split, evaluation }: SplitEvaluation): Content {
  const { accuracy, count: images, classes } = evaluation
  const [low, high] = wilsonInterval(accuracy, images)
  const correct = formatCount(Math.round(accuracy * images))
  const majority = classes.reduce((max, { count }) => Math.max(max, count), 0) / images
  const chance = 1 / Math.max(1, classes.length)
  const baseline =
    majority > 1.2 * chance
      ? `, and always predicting the most frequent class ${formatPercent(majority)}`
      : ''
  const caveats: Record<Split, string> = {
    test: '',
    val: ' The best epoch was selected on the same images, so accuracy on new images may be lower.',
    train: ' The network was trained on these images, so accuracy on new images is unknown.',
  }
  const best = run.result?.best ? ` The weights are those of epoch ${run.result.best.epoch}.` : ''
  const interval =
    split === 'train'
      ? ''
      : `; the 95${'\u00a0'}% confidence interval is ${formatPercent(low)} to ${formatPercent(high)}`
  return html`${ACCURACY[split]} is <strong>${formatPercent(accuracy)}</strong> (${correct} of
${formatCount(images)} images)${interval}. Random guessing would reach
${formatPercent(chance)}${baseline}.${caveats[split]}${best}`
}

/** Describes the accuracy recorded by the run, for a report without an evaluation. */
function describeRecordedAccuracy({ best, test }: TrainResult): Content {
  if (test !== null && test !== undefined) {
    return html`Test accuracy, measured at the end of training, was
<strong>${formatPercent(test.accuracy)}</strong> (${formatCount(test.count)} images).`
  }
  if (best === null || best === undefined) return undefined
  return html`The best accuracy recorded during training was
<strong>${formatPercent(best.accuracy)}</strong>.`
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
  return html`${confusion} Accuracy is highest for “${isolate(best.label)}”
(${formatPercent(best.accuracy)}) and lowest for “${isolate(worst.label)}”
(${formatPercent(worst.accuracy)}).`
}

function describeCalibration({ calibration: { bins } }: Evaluation): Content {
  const images = bins.reduce((sum, { count }) => sum + count, 0)
  if (images === 0) return undefined
  const confidence =
    bins.reduce((sum, { count, confidence }) => sum + count * confidence, 0) / images
  const accuracy = bins.reduce((sum, { count, accuracy }) => sum + count * accuracy, 0) / images
  const verdict =
    confidence - accuracy > CALIBRATION_GAP
      ? 'overconfident'
      : accuracy - confidence > CALIBRATION_GAP
        ? 'underconfident'
        : 'on average neither over- nor underconfident'
  return html`Mean confidence is ${formatPercent(confidence)} at an accuracy of
${formatPercent(accuracy)}: the network is ${verdict}.`
}

function suggestNextSteps(
  { epochs, result, start, config }: RunFolder,
  evaluation: SplitEvaluation | undefined,
  trainCounts: readonly number[] | undefined,
): Content[] {
  const suggestions: Content[] = []
  const last = epochs.at(-1)
  const best = epochs.find(({ epoch }) => epoch === result?.best?.epoch)
  if (last && best && best.epoch === last.epoch && epochs.length > 1) {
    const metric = METRICS[config.monitor]
    suggestions.push(`${metric} was still improving at the end; more epochs may help.`)
  }
  if (best?.val && best.train.accuracy - best.val.accuracy > OVERFITTING_GAP) {
    const [train, val] = [formatPercent(best.train.accuracy), formatPercent(best.val.accuracy)]
    suggestions.push(
      `Use more images or stronger augmentation: the network overfits (training accuracy ${train}, validation accuracy ${val}).`,
    )
  }
  if (evaluation && evaluation.evaluation.count < MIN_IMAGES) {
    const images = formatCount(evaluation.evaluation.count)
    suggestions.push(
      `Evaluate on more images: an accuracy measured on ${images} images is imprecise.`,
    )
  }
  const counts = (trainCounts ?? []).filter((images) => images > 0)
  const [min, max] = [Math.min(...counts), Math.max(...counts)]
  const isBalanced = config.data.balanced || config.loss?.classWeights?.type === 'balanced'
  if (counts.length > 1 && max > IMBALANCE_RATIO * min && !isBalanced) {
    const label = start?.data.classes[trainCounts?.indexOf(min) ?? -1] ?? ''
    suggestions.push(
      html`Set <code>data.balanced</code> or <code>loss.classWeights</code>: the classes are imbalanced,
with ${formatCount(max)} training images of the most frequent class and ${formatCount(min)} of
“${isolate(label)}”.`,
    )
  }
  return suggestions
}
