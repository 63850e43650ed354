import { commandName } from '../../../errors/command-name.js'
import { shellQuote } from '../../../errors/shell-quote.js'
import type { RunEvent, StartEvent, StopReason, TrainResult } from '../../../index.js'
import { formatCount, formatDuration, formatPercent, pluralize } from '../format.js'
import { outputWidth, sanitize, wrap } from '../terminal.js'
import { stepBudget } from './progress.js'

/** Width of the names of the rows. */
const NAME_WIDTH = 14

/** Images of a split that the run has, and those of them that were used in an epoch. */
interface ImageUse {
  split: 'training' | 'validation'
  images: number
  used: number
}

/** Collects the facts about a run that its result lacks, and formats its summary. */
export class RunSummary {
  #start: StartEvent | undefined
  #hasUnreadable = false
  #unreadable: ImageUse[] = []

  add(event: RunEvent): void {
    if (event.type === 'start') this.#start = event
    if (event.type === 'warning' && event.code === 'E_IMAGE') this.#hasUnreadable = true
    if (event.type !== 'epoch' || this.#start === undefined || !this.#hasUnreadable) return
    const { trainImages, valImages } = this.#start
    const uses: ImageUse[] = [
      { split: 'training', images: trainImages, used: event.train.count },
      { split: 'validation', images: valImages, used: event.val?.count ?? valImages },
    ]
    // A last batch of a single image is dropped; it is no unreadable image.
    const dropped = trainImages % this.#start.config.batchSize === 1 ? 1 : 0
    const isUnreadable = ({ split, images, used }: ImageUse) =>
      images - used > (split === 'training' ? dropped : 0)
    this.#unreadable = uses.filter(isUnreadable)
  }

  /** Formats the result of the run for stdout. */
  format(result: TrainResult): string {
    const { best, test, dir, last, report } = result
    const rows: [string, string][] = [['status', this.#status(result)]]
    const unreadable = this.#unreadable.map(
      ({ split, images, used }) => `${formatCount(used)} of ${formatCount(images)} ${split} images`,
    )
    if (unreadable.length > 0) {
      rows.push(['images used', `${unreadable.join(', ')}; the others could not be decoded`])
    }
    if (best !== null) {
      const accuracy = formatPercent(best.accuracy)
      rows.push(
        this.#isStepBudget
          ? ['best accuracy', accuracy]
          : ['best epoch', `${best.epoch}, accuracy ${accuracy}`],
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

  get #isStepBudget(): boolean {
    return this.#start !== undefined && stepBudget(this.#start.config) !== undefined
  }

  /** Describes the end of a run: `stopped in epoch 3 of 10 at step 28 of 140, 0:12`. */
  #status({ stopReason, epochs, steps, seconds }: TrainResult): string {
    if (this.#start !== undefined && this.#start.startStep > 0 && steps === this.#start.startStep) {
      const done = `was complete after ${pluralize(epochs, 'epoch')}, ${pluralize(steps, 'step')}`
      return `${done}; to train longer, set \`epochs\` to more than ${formatCount(epochs)}`
    }
    return `${STATUS[stopReason]} ${this.#position(stopReason, epochs, steps)}, ${formatDuration(seconds)}`
  }

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
    const of = (total: number | null | undefined) => (total ? ` of ${formatCount(total)}` : '')
    const epoch = isWithinEpoch
      ? `in epoch ${formatCount(epochs + 1)}${of(config?.epochs)}`
      : `${done}${of(config?.epochs)}`
    return `${epoch} at step ${formatCount(steps)}${of(totalSteps)}`
  }
}

/** Status of a finished run, by the reason for its end. */
const STATUS: Record<StopReason, string> = {
  completed: 'completed',
  stopped: 'stopped',
  'early-stopping': 'stopped early',
  budget: 'budget reached',
}
