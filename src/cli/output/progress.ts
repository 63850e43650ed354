import { createLogUpdate } from 'log-update'
import type { EpochEvent, RunEvent, StartEvent, StepEvent } from '../../index.js'
import { paint } from './colors.js'
import { fitting, GAP, type Part } from './fit-columns.js'
import { count, duration, loss, percent } from './format.js'
import { columnsOf, harmless, isLive, padEnd, padStart, widthOf } from './terminal.js'
import { warning } from './warning.js'

const { stderr } = process

/** The least time between two states of the live line, in milliseconds. */
const REFRESH = 100
const [LONGEST_BAR, SHORTEST_BAR] = [24, 6]

/** A column of the epochs' table. */
interface Column extends Part {
  /** Of the heading and of every number that it may hold. */
  width: number
  cell(event: EpochEvent): string
}

const COLUMNS: readonly Column[] = [
  { text: 'loss', worth: 8, width: 7, cell: ({ train }) => loss(train.loss) },
  { text: 'acc', worth: 4, width: 7, cell: ({ train }) => percent(train.accuracy) },
  { text: 'val loss', worth: 5, width: 8, cell: ({ val }) => (val ? loss(val.loss) : '') },
  { text: 'val acc', worth: 9, width: 7, cell: ({ val }) => (val ? percent(val.accuracy) : '') },
  { text: 'lr', worth: 2, width: 8, cell: ({ lr }) => String(Number(lr.toPrecision(2))) },
  { text: 'img/s', worth: 3, width: 7, cell: (event) => count(event.imagesPerSecond) },
  { text: 'time', worth: 6, width: 7, cell: ({ seconds }) => duration(seconds) },
]
/** What stands behind the row of an epoch that was the best so far. */
const BEST = 'best'

/**
 * Shows a run on stderr as it goes. On a terminal: a table with a row an epoch, and a line below it
 * that lives. Elsewhere (a pipe, a file, a CI's log): a line an epoch, with names for its numbers.
 */
export class Progress {
  readonly #live = isLive(stderr) ? createLogUpdate(stderr, { showCursor: true }) : undefined
  #epochs: number | undefined
  #validated = true
  #headed = false
  #drawn = 0

  show(event: RunEvent): void {
    switch (event.type) {
      case 'start':
        this.#epochs = event.config.epochs ?? undefined
        this.#validated = event.valImages > 0
        this.#headed = false
        this.note(beginning(event))
        break
      case 'step':
        this.#draw(event)
        break
      case 'epoch':
        this.note(this.#live === undefined ? this.#line(event) : this.#row(event))
        break
      case 'warning':
        this.note(warning(event))
        break
    }
  }

  /** Says something above the live line. */
  note(text: string): void {
    this.end()
    stderr.write(`${text}\n`)
  }

  /** Leaves the terminal as it was. */
  end(): void {
    this.#live?.clear()
  }

  #draw(step: StepEvent): void {
    if (this.#live === undefined || Date.now() - this.#drawn < REFRESH) return
    this.#drawn = Date.now()
    this.#live(liveLine(step, this.#epoch(step.epoch), columnsOf(stderr)))
  }

  /** The epoch as a row, below a heading if it is the first. */
  #row(event: EpochEvent): string {
    const epoch = this.#epoch(event.epoch)
    const first = Math.max(widthOf(epoch), 'epoch'.length)
    const has = COLUMNS.filter(({ text }) => this.#validated || !text.startsWith('val'))
    const room = columnsOf(stderr) - first - GAP.length - BEST.length
    const columns = fitting(has, room, ({ width }) => width)
    const cells = columns.map((column) => padStart(column.cell(event), column.width))
    if (event.best) cells.push(paint(stderr, 'green', BEST))
    const row = [padStart(epoch, first), ...cells].join(GAP)
    if (this.#headed) return row
    this.#headed = true
    const names = columns.map(({ text, width }) => padStart(text, width))
    return `${paint(stderr, 'dim', [padEnd('epoch', first), ...names].join(GAP))}\n${row}`
  }

  #line({ epoch, train, val, best, imagesPerSecond, seconds }: EpochEvent): string {
    const parts = [
      field('epoch', this.#epoch(epoch)),
      field('loss', loss(train.loss)),
      field('acc', percent(train.accuracy)),
      ...(val === null
        ? []
        : [field('val loss', loss(val.loss)), field('val acc', percent(val.accuracy))]),
      `${count(imagesPerSecond)} img/s`,
      duration(seconds),
      ...(best ? [paint(stderr, 'green', BEST)] : []),
    ]
    return parts.join(GAP)
  }

  #epoch(epoch: number): string {
    const of = this.#epochs === undefined ? '' : `/${this.#epochs}`
    return `${String(epoch).padStart(String(this.#epochs ?? '').length)}${of}`
  }
}

/** Where the epoch is: `epoch 3/30  ━━━━────  12/84  loss 0.4123  acc 87.3 %  900 img/s  eta 3:02` */
function liveLine(step: StepEvent, epoch: string, room: number): string {
  const bar = { text: ' '.repeat(LONGEST_BAR), worth: 1 }
  const parts: Part[] = [
    { text: field('epoch', epoch), worth: 9 },
    bar,
    { text: `${step.stepInEpoch}/${step.stepsPerEpoch}`, worth: 4 },
    { text: field('loss', loss(step.epochLoss)), worth: 8 },
    { text: field('acc', percent(step.epochAccuracy)), worth: 5 },
    { text: `${count(step.imagesPerSecond)} img/s`, worth: 3 },
  ]
  if (step.etaSeconds !== null) {
    parts.push({ text: field('eta', duration(step.etaSeconds)), worth: 7 })
  }
  // A terminal wraps a line that fills it, and the next drawing would be one row too low.
  const free = room - 1
  const others = parts.reduce((sum, part) => sum + widthOf(part.text) + GAP.length, -GAP.length)
  const length = Math.max(SHORTEST_BAR, Math.min(LONGEST_BAR, LONGEST_BAR - (others - free)))
  bar.text = drawBar(step.stepInEpoch / step.stepsPerEpoch, length)
  return fitting(parts, free, ({ text }) => widthOf(text))
    .map(({ text }) => text)
    .join(GAP)
}

function drawBar(done: number, length: number): string {
  const filled = Math.round(length * done)
  return '━'.repeat(filled) + paint(stderr, 'dim', '─'.repeat(length - filled))
}

function beginning(event: StartEvent): string {
  const { config, data } = event
  const images = [
    `${count(event.trainImages)} training`,
    ...(event.valImages > 0 ? [`${count(event.valImages)} validation`] : []),
    ...(event.testImages > 0 ? [`${count(event.testImages)} test`] : []),
  ]
  const lines = [
    `${config.model.arch}, ${count(event.parameters)} parameters, ${config.precision} on ${config.device}`,
    `${harmless(data.source)}, ${count(data.classes.length)} classes, ${images.join(' + ')} images`,
    event.resumedAt > 0 ? `${event.dir}, from step ${count(event.resumedAt)} on` : event.dir,
  ]
  return lines.join('\n')
}

function field(name: string, value: string): string {
  return `${paint(stderr, 'dim', name)} ${value}`
}
