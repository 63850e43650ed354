import type { Prediction } from '../../index.js'
import type { ImageArgument } from '../arguments/image-arguments.js'
import { styled } from './colors.js'
import { GAP } from './fit-columns.js'
import { formatPercent } from './format.js'
import { displayWidth, outputWidth, padEnd, sanitize, truncate, truncatePath } from './terminal.js'

const { stdout } = process

const HEADING = { image: 'image', label: 'class', probability: 'prob' }
/** Width of `100.0 %`. */
const PERCENT_WIDTH = 7
const MAX_BAR = 20
/** A shorter bar would not be readable and is omitted. */
const MIN_BAR = 6
/** Maximum width of the image column and of the class column, as a fraction of a row. */
const MAX_FRACTION = 0.4

/**
 * Formats predictions as rows of a table: image, class, probability, bar. The widths of the columns
 * are computed from all names beforehand, so that each row can be printed as soon as its prediction
 * arrives.
 */
export class PredictionTable {
  readonly #imageWidth: number
  readonly #labelWidth: number
  readonly #barWidth: number
  #hasHeading = false

  constructor(images: readonly ImageArgument[], classes: readonly string[]) {
    const width = outputWidth(stdout)
    const maxWidth = Math.floor(
      Math.min(MAX_FRACTION * width, (width - PERCENT_WIDTH) / 2 - GAP.length),
    )
    const columnWidth = (names: readonly string[]) =>
      Math.min(
        maxWidth,
        Math.max(HEADING.image.length, ...names.map((name) => displayWidth(sanitize(name)))),
      )
    this.#imageWidth = columnWidth(images.map(({ name }) => name))
    this.#labelWidth = columnWidth(classes)
    const remaining = width - this.#imageWidth - this.#labelWidth - PERCENT_WIDTH - 3 * GAP.length
    this.#barWidth = remaining < MIN_BAR ? 0 : Math.min(MAX_BAR, remaining)
  }

  /**
   * Formats one row for each predicted class; the first row contains the name of the image. The
   * first call also returns the header.
   */
  rows(image: string, { top }: Pick<Prediction, 'top'>): string[] {
    const rows = top.map(({ label, probability }, index) => {
      const name = index === 0 ? truncatePath(sanitize(image), this.#imageWidth) : ''
      return [
        padEnd(name, this.#imageWidth),
        padEnd(truncate(sanitize(label), this.#labelWidth), this.#labelWidth),
        formatPercent(probability).padStart(PERCENT_WIDTH),
        formatBar(probability, this.#barWidth),
      ]
        .join(GAP)
        .trimEnd()
    })
    if (this.#hasHeading) return rows
    this.#hasHeading = true
    return [this.#header(), ...rows]
  }

  #header(): string {
    const names = [
      padEnd(HEADING.image, this.#imageWidth),
      padEnd(HEADING.label, this.#labelWidth),
      HEADING.probability.padStart(PERCENT_WIDTH),
    ]
    return styled(stdout, 'dim', names.join(GAP))
  }
}

/** Draws a fraction as a bar with a resolution of an eighth of a character. */
function formatBar(fraction: number, maxWidth: number): string {
  const eighths = Math.round(8 * maxWidth * fraction)
  const partial = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8]
  return styled(stdout, 'cyan', '█'.repeat(Math.floor(eighths / 8)) + partial)
}
