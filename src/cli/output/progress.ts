import { createLogUpdate } from 'log-update'
import type { EpochEvent, RunEvent, StartEvent, StepEvent } from '../../index.js'
import { styled } from './colors.js'
import { type Cell, fitColumns, GAP } from './fit-columns.js'
import { formatCount, formatDuration, formatLoss, formatPercent } from './format.js'
import { canRedraw, displayWidth, padEnd, padStart, sanitize, terminalWidth } from './terminal.js'
import { formatWarning } from './warning.js'

const { stderr } = process

/** Minimum time between two redraws of the progress line, in milliseconds. */
const REDRAW_INTERVAL = 100
const [MAX_BAR, MIN_BAR] = [24, 6]

/** A column of the table of epochs. */
interface Column extends Cell {
  /** Width in columns that fits the header and every value. */
  width: number
  value(event: EpochEvent): string
}

const COLUMNS: readonly Column[] = [
  { text: 'loss', priority: 8, width: 7, value: ({ train }) => formatLoss(train.loss) },
  { text: 'acc', priority: 4, width: 7, value: ({ train }) => formatPercent(train.accuracy) },
  {
    text: 'val loss',
    priority: 5,
    width: 8,
    value: ({ val }) => (val ? formatLoss(val.loss) : ''),
  },
  {
    text: 'val acc',
    priority: 9,
    width: 7,
    value: ({ val }) => (val ? formatPercent(val.accuracy) : ''),
  },
  { text: 'lr', priority: 2, width: 8, value: ({ lr }) => String(Number(lr.toPrecision(2))) },
  {
    text: 'img/s',
    priority: 3,
    width: 7,
    value: (event) => formatCount(event.imagesPerSecond),
  },
  { text: 'time', priority: 6, width: 7, value: ({ seconds }) => formatDuration(seconds) },
]
/** Mark of an epoch that is the best so far. */
const BEST = 'best'

/**
 * Shows the progress of a run on stderr. A terminal shows a table with one row per epoch, and below
 * the table a progress line that is redrawn. A pipe, file or CI log contains one line per epoch.
 */
export class Progress {
  readonly #live = canRedraw(stderr) ? createLogUpdate(stderr, { showCursor: true }) : undefined
  #epochs: number | undefined
  #hasValidation = true
  #hasHeading = false
  #drawnAt = 0

  show(event: RunEvent): void {
    switch (event.type) {
      case 'start':
        this.#epochs = event.config.epochs ?? undefined
        this.#hasValidation = event.valImages > 0
        this.#hasHeading = false
        this.note(formatStart(event))
        break
      case 'step':
        this.#draw(event)
        break
      case 'epoch':
        this.note(this.#live === undefined ? this.#epochLine(event) : this.#epochRow(event))
        break
      case 'warning':
        this.note(formatWarning(event))
        break
    }
  }

  /** Prints a text above the progress line. */
  note(text: string): void {
    this.end()
    stderr.write(`${text}\n`)
  }

  /** Removes the progress line. */
  end(): void {
    this.#live?.clear()
  }

  #draw(step: StepEvent): void {
    if (this.#live === undefined || Date.now() - this.#drawnAt < REDRAW_INTERVAL) return
    this.#drawnAt = Date.now()
    this.#live(formatStep(step, this.#epochOf(step.epoch), terminalWidth(stderr)))
  }

  /** Formats an epoch as a row of the table, below the header if it is the first. */
  #epochRow(event: EpochEvent): string {
    const epoch = this.#epochOf(event.epoch)
    const epochWidth = Math.max(displayWidth(epoch), 'epoch'.length)
    const available = COLUMNS.filter(({ text }) => this.#hasValidation || !text.startsWith('val'))
    const maxWidth = terminalWidth(stderr) - epochWidth - GAP.length - BEST.length
    const columns = fitColumns(available, maxWidth, ({ width }) => width)
    const cells = columns.map((column) => padStart(column.value(event), column.width))
    if (event.best) cells.push(styled(stderr, 'green', BEST))
    const row = [padStart(epoch, epochWidth), ...cells].join(GAP)
    if (this.#hasHeading) return row
    this.#hasHeading = true
    const names = columns.map(({ text, width }) => padStart(text, width))
    return `${styled(stderr, 'dim', [padEnd('epoch', epochWidth), ...names].join(GAP))}\n${row}`
  }

  #epochLine({ epoch, train, val, best, imagesPerSecond, seconds }: EpochEvent): string {
    const parts = [
      field('epoch', this.#epochOf(epoch)),
      field('loss', formatLoss(train.loss)),
      field('acc', formatPercent(train.accuracy)),
      ...(val === null
        ? []
        : [field('val loss', formatLoss(val.loss)), field('val acc', formatPercent(val.accuracy))]),
      `${formatCount(imagesPerSecond)} img/s`,
      formatDuration(seconds),
      ...(best ? [styled(stderr, 'green', BEST)] : []),
    ]
    return parts.join(GAP)
  }

  /** Formats the number of an epoch: ` 3/30`. */
  #epochOf(epoch: number): string {
    const total = this.#epochs === undefined ? '' : `/${this.#epochs}`
    return `${String(epoch).padStart(String(this.#epochs ?? '').length)}${total}`
  }
}

/** Formats a step: `epoch 3/30  ━━━━────  12/84  loss 0.4123  acc 87.3 %  900 img/s  eta 3:02`. */
function formatStep(step: StepEvent, epoch: string, width: number): string {
  const bar = { text: ' '.repeat(MAX_BAR), priority: 1 }
  const cells: Cell[] = [
    { text: field('epoch', epoch), priority: 9 },
    bar,
    { text: `${step.stepInEpoch}/${step.stepsPerEpoch}`, priority: 4 },
    { text: field('loss', formatLoss(step.epochLoss)), priority: 8 },
    { text: field('acc', formatPercent(step.epochAccuracy)), priority: 5 },
    { text: `${formatCount(step.imagesPerSecond)} img/s`, priority: 3 },
  ]
  if (step.etaSeconds !== null) {
    cells.push({ text: field('eta', formatDuration(step.etaSeconds)), priority: 7 })
  }
  // A terminal wraps a line of its full width, and the next redraw would start one row too low.
  const maxWidth = width - 1
  const needed = cells.reduce(
    (sum, cell) => sum + displayWidth(cell.text) + GAP.length,
    -GAP.length,
  )
  const barWidth = Math.max(MIN_BAR, Math.min(MAX_BAR, MAX_BAR - (needed - maxWidth)))
  bar.text = formatBar(step.stepInEpoch / step.stepsPerEpoch, barWidth)
  return fitColumns(cells, maxWidth, ({ text }) => displayWidth(text))
    .map(({ text }) => text)
    .join(GAP)
}

function formatBar(fraction: number, width: number): string {
  const filled = Math.round(width * fraction)
  return '━'.repeat(filled) + styled(stderr, 'dim', '─'.repeat(width - filled))
}

function formatStart(event: StartEvent): string {
  const { config, data } = event
  const images = [
    `${formatCount(event.trainImages)} training`,
    ...(event.valImages > 0 ? [`${formatCount(event.valImages)} validation`] : []),
    ...(event.testImages > 0 ? [`${formatCount(event.testImages)} test`] : []),
  ]
  const lines = [
    `${config.model.arch}, ${formatCount(event.parameters)} parameters, ${config.precision} on ${config.device}`,
    `${sanitize(data.source)}, ${formatCount(data.classes.length)} classes, ${images.join(' + ')} images`,
    event.startStep > 0
      ? `run folder ${event.dir}, resumed at step ${formatCount(event.startStep)}`
      : `run folder ${event.dir}`,
  ]
  return lines.join('\n')
}

function field(name: string, value: string): string {
  return `${styled(stderr, 'dim', name)} ${value}`
}
