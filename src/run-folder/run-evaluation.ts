import type { RunEvaluation } from '../native/generated.js'

/** Whether evaluation.json holds all that is drawn from it: it may have been written by anybody. */
export function isRunEvaluation(read: Record<string, unknown>): boolean {
  const { split, epoch, evaluation } = read as unknown as RunEvaluation
  return (
    ['train', 'val', 'test'].includes(split) &&
    isNumber(epoch) &&
    isObject(evaluation) &&
    [evaluation.loss, evaluation.accuracy, evaluation.count, evaluation.broken].every(isNumber) &&
    isList(evaluation.classes, isClass) &&
    isMatrix(evaluation.confusion, evaluation.classes.length) &&
    isList(evaluation.mostConfused, isPair) &&
    isObject(evaluation.calibration) &&
    isList(evaluation.calibration.bins, isBin) &&
    isList(evaluation.samples, isExample) &&
    isList(evaluation.topLosses, isExample)
  )
}

function isClass({ label, accuracy, precision, f1, count, predicted }: Row): boolean {
  return isText(label) && [accuracy, precision, f1, count, predicted].every(isNumber)
}

/** Square; empty for very many classes. */
function isMatrix(rows: unknown, classes: number): boolean {
  if (!Array.isArray(rows)) return false
  const isRow = (row: unknown) =>
    Array.isArray(row) && row.length === classes && row.every(isNumber)
  return rows.length === 0 || (rows.length === classes && rows.every(isRow))
}

function isPair({ label, predicted, count }: Row): boolean {
  return isText(label) && isText(predicted) && isNumber(count)
}

function isBin({ count, confidence, accuracy }: Row): boolean {
  return [count, confidence, accuracy].every(isNumber)
}

function isExample({ name, label, predicted, probability, thumbnail }: Row): boolean {
  return (
    [name, label, predicted].every(isText) &&
    isNumber(probability) &&
    (thumbnail === undefined || (isObject(thumbnail) && isThumbnail(thumbnail)))
  )
}

/** With as many bytes as it has pixels. */
function isThumbnail({ width, height, channels, base64 }: Row): boolean {
  const isSide = (side: unknown) => isNumber(side) && Number.isInteger(side) && side > 0
  if (!isSide(width) || !isSide(height) || !(channels === 1 || channels === 3)) return false
  return (
    isText(base64) &&
    Buffer.byteLength(base64, 'base64') === Number(width) * Number(height) * channels
  )
}

/** As read, before anything is known of it. */
type Row = Record<string, unknown>

function isList(value: unknown, isItem: (row: Row) => boolean): boolean {
  return Array.isArray(value) && value.every((item) => isObject(item) && isItem(item))
}

function isObject(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number'
}
