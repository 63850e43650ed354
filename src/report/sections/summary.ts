import type { DataPart, Evaluation, TrainResult } from '../../native/generated.js'
import type { RunFolder } from '../../run-folder/run-folder.js'
import type { Measured } from '../evaluate-run.js'
import { count, duration, interval, percent } from '../html/format.js'
import { type Content, type Html, html, name } from '../html/html.js'
import { confusedPairs } from './confusion-matrix.js'

/** Where a number of images is too small to trust a percentage. */
const FEW = 200
/** So much better on what was trained with is learning by heart. */
const BY_HEART = 0.1
const FEW_OF_A_CLASS = 5
const FEW_TIMES = 2
const TOO_SURE = 0.04
const UNBALANCED = 4
const NAMED_CLASSES = 12

/** What came out, for someone who has never trained a network. A paragraph each. */
export function inWords(
  run: RunFolder,
  measured: Measured | undefined,
  trained: readonly number[] | undefined,
): Html[] {
  const paragraphs = [training(run), ending(run)]
  if (measured !== undefined) {
    paragraphs.push(outcome(run, measured), mistakes(measured.evaluation), certainty(measured))
  } else if (run.result?.best) {
    paragraphs.push(remembered(run.result))
  }
  const next = advice(run, measured, trained)
  if (next.length > 0) {
    paragraphs.push([
      html`What could be done next:`,
      html`<ul>${next.map((sentence) => html`<li>${sentence}</li>`)}</ul>`,
    ])
  }
  return paragraphs
    .filter((content) => content !== undefined)
    .map((content) => html`<div class="p">${content}</div>\n`)
}

function training({ config, start, epochs, result, environment }: RunFolder): Content {
  const { arch, weights } = config.model
  if (start === undefined) return html`A network of the kind ${arch} was trained.`
  const { parameters, trainImages, data } = start
  const { classes } = data
  const named = classes
    .slice(0, NAMED_CLASSES)
    .map((label, index) => [index > 0 ? ', ' : '', name(label)])
  const more =
    classes.length > NAMED_CLASSES ? ` and ${count(classes.length - NAMED_CLASSES)} more` : ''
  const rounds = result?.epochs ?? epochs.length
  const often =
    rounds === 0
      ? 'not even all of them once'
      : rounds === 1
        ? 'all of them once'
        : `all of them ${count(rounds)} times`
  const seconds = result?.seconds ?? epochs.at(-1)?.seconds
  const began =
    weights && weights !== 'none'
      ? ' It did not begin from nothing, but from what it had learnt before on other images.'
      : ''
  const took =
    seconds === undefined
      ? ''
      : ` That took ${duration(seconds)}${environment.cpu ? ` (${processor(environment.device, environment.cpu)})` : ''}.`
  return html`A ${arch}, a network of ${count(parameters)} adjustable numbers, was to learn to tell
${count(classes.length)} kinds of images apart: ${named}${more}. It was shown
${count(trainImages)} examples, ${often}, and
after every ${count(config.batchSize)} its numbers were changed a little, so that it would have been
less wrong.${began}${took}`
}

function processor(device: string | undefined, cpu: string): string {
  return device === 'cuda' ? 'a graphics card' : cpu
}

function ending({ result }: RunFolder): Content {
  switch (result?.stopReason) {
    case undefined:
      return 'The training has not ended, or was cut off: this is how far it came.'
    case 'stopped':
      return 'It was stopped before it was done; it can be gone on with.'
    case 'early-stopping':
      return 'It ended early, because it had not become better for a while.'
    default:
      return undefined
  }
}

const UNSEEN: Record<DataPart, (images: string) => string> = {
  test: (images) => `On ${images} test images, which it had never seen,`,
  val: (images) =>
    `On ${images} images that were held back from its training (but decided which of its states was kept)`,
  train: (images) => `On the ${images} images that it was trained with, for there are no others,`,
}

function outcome(run: RunFolder, { part, evaluation }: Measured): Content {
  const { accuracy, count: images, classes } = evaluation
  const [low, high] = interval(accuracy, images)
  const commonest = classes.reduce((most, { count }) => Math.max(most, count), 0) / images
  const chance = 1 / Math.max(1, classes.length)
  const always =
    commonest > 1.2 * chance
      ? `, and always naming the most frequent kind in ${percent(commonest)}`
      : ''
  const doubt =
    part === 'train'
      ? ' That says nothing about new images.'
      : ` For new images of this kind, its true share lies most likely between ${percent(low)} and ${percent(high)}.`
  return html`${UNSEEN[part](count(images))} it was <strong>right in ${percent(accuracy)}</strong> of
the cases: ${count(Math.round(accuracy * images))} of ${count(images)}. Guessing would be right in
${percent(chance)}${always}.${doubt}${run.result?.best ? ` The state after epoch ${run.result.best.epoch} was kept.` : ''}`
}

function remembered({ best, test }: TrainResult): Content {
  const score = test ?? best
  if (score === null || score === undefined) return undefined
  const what = test
    ? `the test images (${count(test.count)})`
    : 'the images that its states were compared on'
  return html`When it was trained, it was <strong>right in ${percent(score.accuracy)}</strong> of ${what}.`
}

function mistakes(evaluation: Evaluation): Content {
  const { classes } = evaluation
  const [pair] = confusedPairs(evaluation)
  if (pair === undefined) return 'It made no mistake.'
  // A class of which there are few is recognised always or never, by chance.
  const seen = classes.filter(({ count }) => count >= FEW_OF_A_CLASS)
  const sorted = [...seen].sort((a, b) => a.accuracy - b.accuracy)
  const [worst, best] = [sorted[0], sorted.at(-1)]
  const of = classes[pair.label]
  const most = html`The mistake it makes most often is to take “${name(of?.label ?? '')}” for
“${name(classes[pair.predicted]?.label ?? '')}” (${percent(pair.count / (of?.count ?? 1))} of them).`
  if (pair.count < FEW_TIMES) return undefined
  if (worst === undefined || best === undefined || worst === best) return most
  return html`${most} It knows “${name(best.label)}” best (${percent(best.accuracy)}) and
“${name(worst.label)}” least (${percent(worst.accuracy)}).`
}

function certainty({ evaluation }: Measured): Content {
  const { bins } = evaluation.calibration
  const images = bins.reduce((sum, { count }) => sum + count, 0)
  if (images === 0) return undefined
  const sure = bins.reduce((sum, { count, confidence }) => sum + count * confidence, 0) / images
  const right = bins.reduce((sum, { count, accuracy }) => sum + count * accuracy, 0) / images
  const verdict =
    sure - right > TOO_SURE
      ? 'It is surer of itself than it should be.'
      : right - sure > TOO_SURE
        ? 'It is right more often than it believes.'
        : 'On the whole, its own percentages can be believed.'
  return html`With each answer it says how sure it is. On average that was ${percent(sure)}, and it was
right in ${percent(right)}. ${verdict}`
}

function advice(
  { epochs, result, start, config }: RunFolder,
  measured: Measured | undefined,
  trained: readonly number[] | undefined,
): Content[] {
  const advice: Content[] = []
  const last = epochs.at(-1)
  const best = epochs.find(({ epoch }) => epoch === result?.best?.epoch)
  if (last && best && best.epoch === last.epoch && epochs.length > 1) {
    advice.push('The last epoch was the best one: a longer training may give more.')
  }
  if (best?.val && best.train.accuracy - best.val.accuracy > BY_HEART) {
    const [own, other] = [percent(best.train.accuracy), percent(best.val.accuracy)]
    advice.push(
      `It is right in ${own} of the images it was trained with and in ${other} of others: it learns by heart. More images, or more varied ones (stronger augmentation), would help most.`,
    )
  }
  if (measured && measured.evaluation.count < FEW) {
    advice.push(
      `Only ${count(measured.evaluation.count)} images were there to measure it on: more of them would say more about it.`,
    )
  }
  const counts = (trained ?? []).filter((images) => images > 0)
  const [rarest, commonest] = [Math.min(...counts), Math.max(...counts)]
  const balances = config.data.balanced || config.loss?.classWeights?.type === 'balanced'
  if (counts.length > 1 && commonest > UNBALANCED * rarest && !balances) {
    const label = start?.data.classes[trained?.indexOf(rarest) ?? -1] ?? ''
    advice.push(
      html`There are ${count(commonest)} examples of the most frequent kind, but ${count(rarest)} of
“${name(label)}”: <code>data.balanced</code> or <code>loss.classWeights</code> would make up for that.`,
    )
  }
  return advice
}
