import { isObject, parseObject } from '../run-folder/json-object.js'

/** Numbers by column, in the order of the log; missing values are null. */
export type Columns = Record<string, (number | null)[]>

/** Columns of steps. */
const STEP_COLUMNS = ['step', 'epoch', 'loss', 'accuracy', 'lr', 'rate'] as const

/** Columns of epochs. */
const EPOCH_COLUMNS = [
  'step',
  'epoch',
  'trainLoss',
  'trainAccuracy',
  'valLoss',
  'valAccuracy',
  'lr',
  'rate',
] as const

/** Events of a run in the format of the page. */
export interface MetricColumns {
  steps: Columns
  epochs: Columns
  /** Values of the last step; undefined without a new step. */
  now: Record<string, number | null> | undefined
  /** Start, checkpoint, warning and end events, with the fields that the page shows. */
  notices: Record<string, unknown>[]
  /** Number of damaged lines, which were skipped. */
  unreadable: number
}

/** Significant digits of a number: enough for a chart, and half the length of full precision. */
const SIGNIFICANT_DIGITS = 7

/**
 * Converts lines of metrics.jsonl. Unknown events, such as those of a newer version, are skipped.
 */
export function toMetricColumns(lines: readonly string[]): MetricColumns {
  const metrics: MetricColumns = {
    steps: emptyColumns(STEP_COLUMNS),
    epochs: emptyColumns(EPOCH_COLUMNS),
    now: undefined,
    notices: [],
    unreadable: 0,
  }
  for (const line of lines) {
    if (line.trim() === '') continue
    const event = parseObject(line)
    if (event === undefined) metrics.unreadable++
    if (event?.type === 'step') addStep(metrics, event)
    else if (event?.type === 'epoch') addEpoch(metrics, event)
    else if (event !== undefined) {
      const notice = toNotice(event)
      if (notice !== undefined) metrics.notices.push(notice)
    }
  }
  return metrics
}

function addStep(metrics: MetricColumns, event: Record<string, unknown>): void {
  const { step, epoch, stepInEpoch, stepsPerEpoch } = event
  if (!isCount(step)) return
  addRow(metrics.steps, {
    step,
    epoch: isCount(epoch) ? epoch - 1 + ratio(stepInEpoch, stepsPerEpoch) : null,
    loss: event.loss,
    accuracy: event.epochAccuracy,
    lr: event.lr,
    rate: event.imagesPerSecond,
  })
  const { epochLoss, etaSeconds, time } = event
  const now = { step, epoch, stepInEpoch, stepsPerEpoch, epochLoss, etaSeconds, time }
  metrics.now = Object.fromEntries(
    Object.entries(now).map(([key, value]) => [key, finiteOrNull(value)]),
  )
}

function addEpoch(metrics: MetricColumns, event: Record<string, unknown>): void {
  const { step, epoch } = event
  if (!isCount(step) || !isCount(epoch)) return
  const [train, val] = [event.train, event.val].map((score) => (isObject(score) ? score : {}))
  addRow(metrics.epochs, {
    step,
    epoch,
    trainLoss: train?.loss,
    trainAccuracy: train?.accuracy,
    valLoss: val?.loss,
    valAccuracy: val?.accuracy,
    lr: event.lr,
    rate: event.imagesPerSecond,
  })
}

/** Selects the fields of an event that the page shows; undefined for an unknown event. */
function toNotice(event: Record<string, unknown>): Record<string, unknown> | undefined {
  const { type, time } = event
  const data = isObject(event.data) ? event.data : {}
  const result = isObject(event.result) ? event.result : {}
  switch (type) {
    case 'start': {
      const { trainImages, valImages, testImages, parameters, totalSteps, startStep } = event
      const classes = Array.isArray(data.classes) ? data.classes.length : null
      const images = { trainImages, valImages, testImages }
      return { type, time, classes, ...images, parameters, totalSteps, startStep }
    }
    case 'checkpoint':
      return { type, time, kind: event.kind, epoch: event.epoch, step: event.step }
    case 'warning':
      return { type, time, code: event.code, message: event.message, hint: event.hint }
    case 'end': {
      const { stopReason, epochs, steps, best, test, seconds } = result
      return { type, time, stopReason, epochs, steps, best, test, seconds }
    }
    default:
      return undefined
  }
}

function emptyColumns(names: readonly string[]): Columns {
  return Object.fromEntries(names.map((name) => [name, []]))
}

function addRow(columns: Columns, row: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(row)) columns[name]?.push(finiteOrNull(value))
}

function finiteOrNull(value: unknown): number | null {
  if (typeof value !== 'number' || !Number.isFinite(value)) return null
  return Number.isInteger(value) ? value : Number(value.toPrecision(SIGNIFICANT_DIGITS))
}

function ratio(count: unknown, total: unknown): number {
  return isCount(count) && isCount(total) && total > 0 ? count / total : 0
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
