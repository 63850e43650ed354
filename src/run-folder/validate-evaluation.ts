import type { RunEvaluation } from '../native/generated.js'
import { isNumber, isObject, isString, type JsonObject } from './json-object.js'

/**
 * Whether the content of an evaluation.json has every field that a report needs. Another version or
 * another program may have written the file.
 */
export function isRunEvaluation(content: Record<string, unknown>): boolean {
  const { split, epoch, evaluation, valOutcomes, testOutcomes } =
    content as unknown as RunEvaluation
  return (
    ['train', 'val', 'test'].includes(split) &&
    isCount(epoch) &&
    [valOutcomes, testOutcomes].every(isOutcomes) &&
    isObject(evaluation) &&
    isNumber(evaluation.loss) &&
    isFraction(evaluation.accuracy) &&
    [evaluation.count, evaluation.broken].every(isCount) &&
    isList(evaluation.classes, isClass) &&
    isMatrix(evaluation.confusion, evaluation.classes.length) &&
    isList(evaluation.mostConfused, isPair) &&
    isObject(evaluation.calibration) &&
    isList(evaluation.calibration.bins, isBin) &&
    isList(evaluation.samples, isExample) &&
    isList(evaluation.topLosses, isExample)
  )
}

function isClass({ label, accuracy, precision, f1, count, predicted }: JsonObject): boolean {
  return (
    isString(label) &&
    [accuracy, precision, f1].every(isFraction) &&
    [count, predicted].every(isCount)
  )
}

/** Whether rows form a confusion matrix: square, or empty if there are very many classes. */
function isMatrix(rows: unknown, classes: number): boolean {
  if (!Array.isArray(rows)) return false
  const isRow = (row: unknown) => Array.isArray(row) && row.length === classes && row.every(isCount)
  return rows.length === 0 || (rows.length === classes && rows.every(isRow))
}

function isPair({ label, predicted, count }: JsonObject): boolean {
  return isString(label) && isString(predicted) && isCount(count)
}

function isBin({ count, confidence, accuracy }: JsonObject): boolean {
  return isCount(count) && [confidence, accuracy].every(isFraction)
}

function isExample({ name, label, predicted, probability, thumbnail }: JsonObject): boolean {
  return (
    [name, label, predicted].every(isString) &&
    isFraction(probability) &&
    (thumbnail === undefined || (isObject(thumbnail) && isThumbnail(thumbnail)))
  )
}

/** Whether a thumbnail has as many bytes as its size requires. */
function isThumbnail({ width, height, channels, base64 }: JsonObject): boolean {
  const isSide = (side: unknown) => isNumber(side) && Number.isInteger(side) && side > 0
  if (!isSide(width) || !isSide(height) || !(channels === 1 || channels === 3)) return false
  return (
    isString(base64) &&
    Buffer.byteLength(base64, 'base64') === Number(width) * Number(height) * channels
  )
}

/** Whether a value is missing, or a string of the outcomes `0`, `1` and `-`. */
function isOutcomes(value: unknown): boolean {
  return value === undefined || (isString(value) && /^[01-]*$/.test(value))
}

/** Whether a value is a number of images or epochs: a non-negative 32-bit integer. */
function isCount(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) < 2 ** 32
}

/** Whether a value is from 0 to 1, apart from rounding. */
function isFraction(value: unknown): boolean {
  return isNumber(value) && value >= 0 && value <= 1 + 1e-6
}

function isList(value: unknown, isItem: (row: JsonObject) => boolean): boolean {
  return Array.isArray(value) && value.every((item) => isObject(item) && isItem(item))
}
