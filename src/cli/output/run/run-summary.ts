import { commandName } from '../../../errors/command-name.js'
import { shellQuote } from '../../../errors/shell-quote.js'
import type { EpochEvent, RunEvent, StartEvent, StopReason, TrainResult } from '../../../index.js'
import { formatCount, formatDuration, formatPercent, pluralize } from '../format.js'
import { outputWidth, sanitize, wrap } from '../terminal.js'
import { stepBudget } from './progress.js'

/** Width of the names of the rows. */
const NAME_WIDTH = 14

/** Numbers of images of a split. */
interface ImageUse {
  split: 'training' | 'validation'
  /** Images of the split. */
  images: number
  /** Images that were decoded in an epoch. */
  used: number
}

/** Collects the facts about a run that its result lacks, and formats its summary. */
export class RunSummary {
  #start: StartEvent | undefined
  #hasUnreadable = false
  /** Epochs after a warning about an unreadable image. */
  #epochs: EpochEvent[] = []

  /** Adds an event of the run. */
  add(event: RunEvent): void {
    if (event.type === 'start') this.#start = event
    if (event.type === 'warning' && event.code === 'E_IMAGE') this.#hasUnreadable = true
    if (event.type === 'epoch' && this.#hasUnreadable) this.#epochs.push(event)
  }

  /** Formats the result of the run for stdout. */
  format(result: TrainResult): string {
    const { best, test, dir, last, report } = result
    const rows: [string, string][] = [['status', this.#status(result)]]
    const unreadable = this.#unreadableSplits(result).map(
      ({ split, images, used }) => `${formatCount(used)} of ${formatCount(images)} ${split} images`,
    )
    if (unreadable.length > 0) {
      rows.push(['images used', `${unreadable.join(', ')}; the others could not be decoded`])
    }
    if (best !== null) {
      const isValidated = (this.#start?.valImages ?? 0) > 0
      const accuracy = `${isValidated ? 'validation' : 'training'} accuracy ${formatPercent(best.accuracy)}`
      rows.push(
        this.#isStepBudget ? ['best', accuracy] : ['best epoch', `${best.epoch}, ${accuracy}`],
      )
    }
    if (test !== null) {
      const images = `${formatCount(test.count)} images`
      rows.push(['test accuracy', `${formatPercent(test.accuracy)} (${images})`])
    }
    rows.push(['checkpoint', best?.checkpoint ?? last], ['run folder', dir])
    if (report !== undefined) rows.push(['report', report])
    if (result.stopReason === 'stopped') {
      rows.push(['resume with', `${commandName()} train --resume ${shellQuote(dir)}`])
    }
    const width = outputWidth(process.stdout)
    return rows
      .map(([name, value]) => `${name.padEnd(NAME_WIDTH)} ${sanitize(value)}`)
      .map((row) => wrap(row, width, '  '))
      .join('\n')
  }

  /** Returns the splits of which images could not be decoded. */
  #unreadableSplits(result: TrainResult): ImageUse[] {
    if (this.#start === undefined) return []
    const { trainImages, valImages, config } = this.#start
    // An epoch that a budget ended has not read all training images.
    const complete = this.#epochs.filter(({ epoch }) => epoch <= result.epochs)
    const [train, val] = [complete.at(-1)?.train, this.#epochs.at(-1)?.val]
    const uses: ImageUse[] = [
      { split: 'training', images: trainImages, used: train?.count ?? trainImages },
      { split: 'validation', images: valImages, used: val?.count ?? valImages },
    ]
    // A last batch of a single image is dropped; its image is not unreadable.
    const dropped = trainImages % config.batchSize === 1 ? 1 : 0
    return uses.filter(
      ({ split, images, used }) => images - used > (split === 'training' ? dropped : 0),
    )
  }

  get #isStepBudget(): boolean {
    return this.#start !== undefined && stepBudget(this.#start.config) !== undefined
  }

  /**
   * Describes the end of a run: `stopped in epoch 3 of 10 at step 28 of 140, 0:12`. A resumed run that
   * had already reached its number of epochs or its budget was complete.
   */
  #status({ stopReason, epochs, steps, seconds }: TrainResult): string {
    const isUntrained = steps > 0 && steps === this.#start?.startStep
    if (isUntrained && (stopReason === 'completed' || stopReason === 'budget')) {
      const done = `was complete after ${pluralize(epochs, 'epoch')}, ${pluralize(steps, 'step')}`
      return stopReason === 'budget'
        ? `${done}; to train longer, increase \`budget\``
        : `${done}; to train longer, set \`epochs\` to more than ${formatCount(epochs)}`
    }
    return `${STATUS[stopReason]} ${this.#position(stopReason, epochs, steps)}, ${formatDuration(seconds)}`
  }

  /** Describes the epoch and the step at which a run ended. */
  #position(stopReason: StopReason, epochs: number, steps: number): string {
    const { config, totalSteps, stepsPerEpoch } = this.#start ?? {}
    if (this.#isStepBudget) {
      return stopReason === 'stopped' && totalSteps
        ? `at step ${formatCount(steps)} of ${formatCount(totalSteps)}`
        : `after ${pluralize(steps, 'step')}`
    }
    const done = `after ${pluralize(epochs, 'epoch')}`
    const isWithinEpoch = stepsPerEpoch !== undefined && steps > epochs * stepsPerEpoch
    if (!isWithinEpoch && stopReason !== 'stopped') return `${done}, ${pluralize(steps, 'step')}`
    const formatTotal = (total: number | null | undefined) =>
      total ? ` of ${formatCount(total)}` : ''
    const epoch = isWithinEpoch
      ? `in epoch ${formatCount(epochs + 1)}${formatTotal(config?.epochs)}`
      : `${done}${formatTotal(config?.epochs)}`
    return `${epoch} at step ${formatCount(steps)}${formatTotal(totalSteps)}`
  }
}

/** Status of a finished run, by the reason for its end. */
const STATUS: Record<StopReason, string> = {
  completed: 'completed',
  stopped: 'stopped',
  'early-stopping': 'stopped early',
  budget: 'budget reached',
}
