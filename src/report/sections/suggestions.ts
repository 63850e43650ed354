import { shellQuote } from '../../errors/shell-quote.js'
import type { Metric } from '../../native/generated.js'
import type { RunFolder } from '../../run-folder/run-folder.js'
import { adviseOnPoorAccuracy, OVERFITTING_GAP } from '../../statistics/advice.js'
import { type GuessingComparison, isNearGuessing } from '../../statistics/guessing.js'
import { wilsonInterval } from '../../statistics/proportion.js'
import { formatCount, formatPercent } from '../html/format.js'
import { type Content, type Html, html, isolate } from '../html/html.js'
import type { SplitEvaluation } from '../report-input.js'

/** Minimum number of images for a reliable accuracy. */
const MIN_IMAGES = 200
/** Minimum ratio between the most and the least frequent class that counts as imbalanced. */
const IMBALANCE_RATIO = 4

const METRICS: Record<Metric, string> = {
  'train.loss': 'Training loss',
  'train.accuracy': 'Training accuracy',
  'val.loss': 'Validation loss',
  'val.accuracy': 'Validation accuracy',
}

/** Suggests how to improve a run. Each suggestion states its reason, a fact about the run. */
export function suggestNextSteps(
  run: RunFolder,
  evaluation: SplitEvaluation | undefined,
  trainCounts: readonly number[] | undefined,
  guessing: GuessingComparison | undefined,
): Content[] {
  const overfitting = isNearGuessing(guessing) ? [] : suggestForOverfitting(run)
  return [
    ...suggestForPoorAccuracy(run, evaluation, guessing),
    ...suggestMoreEpochs(run),
    ...overfitting,
    ...suggestMoreImages(evaluation),
    ...suggestBalancing(run, trainCounts),
  ]
}

function suggestForPoorAccuracy(
  { epochs, result, start, config }: RunFolder,
  evaluation: SplitEvaluation | undefined,
  guessing: GuessingComparison | undefined,
): Content[] {
  if (!isNearGuessing(guessing)) return []
  const best = epochs.find(({ epoch }) => epoch === result?.best?.epoch) ?? epochs.at(-1)
  const { accuracy, classes } = evaluation?.evaluation ?? {}
  const { weights } = config.model
  const { source } = config.data
  const advice = adviseOnPoorAccuracy({
    accuracy: accuracy ?? result?.test?.accuracy ?? result?.best?.accuracy ?? 0,
    trainAccuracy: best?.train.accuracy,
    numClasses: classes?.length ?? start?.data.classes.length ?? 0,
    numPredicted: classes?.filter(({ predicted }) => predicted > 0).length ?? 0,
    isPretrained: Boolean(weights) && weights !== 'none',
    source: typeof source === 'string' ? shellQuote(source) : undefined,
  })
  return advice.map(renderCode)
}

function suggestMoreEpochs({ epochs, result, config }: RunFolder): Content[] {
  const last = epochs.at(-1)
  if (last === undefined || result?.best?.epoch !== last.epoch || epochs.length < 2) return []
  return [`${METRICS[config.monitor]} was still improving at the end; more epochs may help.`]
}

function suggestForOverfitting({ epochs, result }: RunFolder): Content[] {
  const best = epochs.find(({ epoch }) => epoch === result?.best?.epoch)
  if (!best?.val) return []
  const { train, val } = best
  const [, high] = wilsonInterval(val.accuracy, val.count)
  // On few images, the validation accuracy may be lower by chance.
  if (train.accuracy - val.accuracy <= OVERFITTING_GAP || high >= train.accuracy) return []
  return [
    'Use more images or stronger augmentation: the network overfits (training accuracy ' +
      `${formatPercent(train.accuracy)}, validation accuracy ${formatPercent(val.accuracy)}).`,
  ]
}

function suggestMoreImages(evaluation: SplitEvaluation | undefined): Content[] {
  if (evaluation === undefined || evaluation.evaluation.count >= MIN_IMAGES) return []
  const images = formatCount(evaluation.evaluation.count)
  return [`Evaluate on more images: an accuracy measured on ${images} images is imprecise.`]
}

function suggestBalancing(
  { start, config }: RunFolder,
  trainCounts: readonly number[] | undefined,
): Content[] {
  const counts = (trainCounts ?? []).filter((images) => images > 0)
  const [min, max] = [Math.min(...counts), Math.max(...counts)]
  const isBalanced = config.data.balanced || config.loss?.classWeights?.type === 'balanced'
  if (counts.length < 2 || max <= IMBALANCE_RATIO * min || isBalanced) return []
  const label = start?.data.classes[trainCounts?.indexOf(min) ?? -1] ?? ''
  return [
    html`Set <code>data.balanced</code> or <code>loss.classWeights</code>: the classes are imbalanced,
with ${formatCount(max)} training images of the most frequent class and ${formatCount(min)} of
“${isolate(label)}”.`,
  ]
}

/** Renders the parts of a text that are enclosed in backticks as code. */
function renderCode(text: string): Html {
  const parts = text.split('`')
  return html`${parts.map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : part))}`
}
