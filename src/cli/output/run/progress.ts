import type { EpochEvent, ResolvedConfig, RunEvent, StartEvent, StepEvent } from '../../../index.js'
import { styled } from '../colors.js'
import { type Cell, fitColumns, GAP } from '../fit-columns.js'
import { formatCount, formatDuration, formatLoss, formatPercent } from '../format.js'
import { LiveLine } from '../live-line.js'
import { log } from '../streams.js'
import { canRedraw, displayWidth, padEnd, padStart, sanitize, terminalWidth } from '../terminal.js'
import { formatWarning } from '../warning.js'

const { stderr } = process

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
  readonly #live = canRedraw(stderr) ? new LiveLine() : undefined
  /** Warnings that were printed. */
  readonly #warnings = new Set<string>()
  #epochs: number | undefined
  /** Steps of the run, if its budget is in steps only: rows and lines then show steps. */
  #steps: number | undefined
  #hasValidation = true
  #hasHeading = false

  show(event: RunEvent): void {
    switch (event.type) {
      case 'start':
        this.#epochs = event.config.epochs ?? undefined
        this.#steps = stepBudget(event.config)
        this.#hasValidation = event.valImages > 0
        this.#hasHeading = false
        this.note(formatStart(event))
        break
      case 'step':
        this.#live?.draw(() =>
          formatStep(event, this.#unit, this.#positionOf(event), terminalWidth(stderr)),
        )
        break
      case 'epoch':
        this.note(this.#live === undefined ? this.#epochLine(event) : this.#epochRow(event))
        break
      case 'warning': {
        // A damaged image causes the same warning in every epoch.
        const text = formatWarning(event)
        if (!this.#warnings.has(text)) this.note(text)
        this.#warnings.add(text)
        break
      }
    }
  }

  /** Prints a text above the progress line. */
  note(text: string): void {
    log(text)
  }

  /** Removes the progress line. */
  end(): void {
    this.#live?.clear()
  }

  /** Formats an epoch as a row of the table, below the header if it is the first. */
  #epochRow(event: EpochEvent): string {
    const position = this.#positionOf(event)
    const positionWidth = Math.max(displayWidth(position), this.#unit.length)
    const available = COLUMNS.filter(({ text }) => this.#hasValidation || !text.startsWith('val'))
    const maxWidth = terminalWidth(stderr) - positionWidth - GAP.length - BEST.length
    const columns = fitColumns(available, maxWidth, ({ width }) => width)
    const cells = columns.map((column) => padStart(column.value(event), column.width))
    if (event.best) cells.push(styled(stderr, 'green', BEST))
    const row = [padStart(position, positionWidth), ...cells].join(GAP)
    if (this.#hasHeading) return row
    this.#hasHeading = true
    const names = columns.map(({ text, width }) => padStart(text, width))
    return `${styled(stderr, 'dim', [padEnd(this.#unit, positionWidth), ...names].join(GAP))}\n${row}`
  }

  #epochLine(event: EpochEvent): string {
    const { train, val, best, imagesPerSecond, seconds } = event
    const parts = [
      field(this.#unit, this.#positionOf(event)),
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

  get #unit(): 'epoch' | 'step' {
    return this.#steps === undefined ? 'epoch' : 'step'
  }

  /** Formats the number of an epoch, or of a step if the budget is in steps: ` 3/30`. */
  #positionOf({ epoch, step }: { epoch: number; step: number }): string {
    const [value, total] = this.#steps === undefined ? [epoch, this.#epochs] : [step, this.#steps]
    const suffix = total === undefined ? '' : `/${total}`
    return `${String(value).padStart(String(total ?? '').length)}${suffix}`
  }
}

/** Returns the number of steps of a run whose budget is in steps only; otherwise undefined. */
export function stepBudget({ budget }: ResolvedConfig): number | undefined {
  return (budget.epochs === null && budget.steps) || undefined
}

/** Formats a step: `epoch 3/30  ━━━━────  12/84  loss 0.4123  acc 87.3 %  900 img/s  eta 3:02`. */
function formatStep(
  step: StepEvent,
  unit: 'epoch' | 'step',
  position: string,
  width: number,
): string {
  const bar = { text: ' '.repeat(MAX_BAR), priority: 1 }
  const cells: Cell[] = [
    { text: field(unit, position), priority: 9 },
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
