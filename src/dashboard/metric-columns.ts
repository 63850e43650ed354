import { isObject } from './run-file.js'

/** Numbers by columns, in the order of the log: what is not a number there is null. */
export type Columns = Record<string, (number | null)[]>

/** Of updates of the weights, as often as they were logged. */
const STEP_COLUMNS = ['step', 'epoch', 'loss', 'accuracy', 'lr', 'rate'] as const

/** Of whole epochs. */
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

/** Lines of metrics.jsonl, as a page takes them. */
export interface Points {
  steps: Columns
  epochs: Columns
  /** The last update: where the run is. */
  now: Record<string, number | null> | undefined
  /** What else happened: start, checkpoint, warning, end, as logged but for what is long. */
  notices: Record<string, unknown>[]
}

/** Enough digits for any screen, in half the bytes. */
const DIGITS = 7

/** Reads lines of a log, of whatever version; what is not understood is passed over. */
export function toPoints(lines: readonly string[]): Points {
  const points: Points = {
    steps: columns(STEP_COLUMNS),
    epochs: columns(EPOCH_COLUMNS),
    now: undefined,
    notices: [],
  }
  for (const line of lines) {
    const event = parse(line)
    if (event?.type === 'step') addStep(points, event)
    else if (event?.type === 'epoch') addEpoch(points, event)
    else if (event !== undefined) {
      const notice = toNotice(event)
      if (notice !== undefined) points.notices.push(notice)
    }
  }
  return points
}

function addStep(points: Points, event: Record<string, unknown>): void {
  const { step, epoch, stepInEpoch, stepsPerEpoch } = event
  if (!isCount(step)) return
  const done = isCount(epoch) ? epoch - 1 + share(stepInEpoch, stepsPerEpoch) : null
  add(points.steps, {
    step,
    epoch: done,
    loss: event.loss,
    accuracy: event.epochAccuracy,
    lr: event.lr,
    rate: event.imagesPerSecond,
  })
  const { epochLoss, etaSeconds, time } = event
  const now = { step, epoch, stepInEpoch, stepsPerEpoch, epochLoss, etaSeconds, time }
  points.now = Object.fromEntries(Object.entries(now).map(([key, value]) => [key, finite(value)]))
}

function addEpoch(points: Points, event: Record<string, unknown>): void {
  const { step, epoch } = event
  if (!isCount(step) || !isCount(epoch)) return
  const [train, val] = [event.train, event.val].map((score) => (isObject(score) ? score : {}))
  add(points.epochs, {
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

/** What of an event a page shows; undefined for one that it does not know. */
function toNotice(event: Record<string, unknown>): Record<string, unknown> | undefined {
  const { type, time } = event
  const data = isObject(event.data) ? event.data : {}
  const result = isObject(event.result) ? event.result : {}
  switch (type) {
    case 'start': {
      const { trainImages, valImages, testImages, parameters, totalSteps, resumedAt } = event
      const classes = Array.isArray(data.classes) ? data.classes.length : null
      const images = { trainImages, valImages, testImages }
      return { type, time, classes, ...images, parameters, totalSteps, resumedAt }
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

function columns(names: readonly string[]): Columns {
  return Object.fromEntries(names.map((name) => [name, []]))
}

function add(to: Columns, row: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(row)) to[name]?.push(finite(value))
}

function finite(value: unknown): number | null {
  if (typeof value !== 'number' || !Number.isFinite(value)) return null
  return Number.isInteger(value) ? value : Number(value.toPrecision(DIGITS))
}

function share(part: unknown, whole: unknown): number {
  return isCount(part) && isCount(whole) && whole > 0 ? part / whole : 0
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const read: unknown = JSON.parse(line)
    return isObject(read) ? read : undefined
  } catch {
    return undefined
  }
}
