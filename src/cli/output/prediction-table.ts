import type { Prediction } from '../../index.js'
import type { Named } from '../arguments/image-arguments.js'
import { paint } from './colors.js'
import { GAP } from './fit-columns.js'
import { percent } from './format.js'
import { harmless, padEnd, roomIn, shorten, shortenPath, widthOf } from './terminal.js'

const { stdout } = process

const BAR = 20
/** A bar that is shorter shows nothing. */
const SHORTEST_BAR = 6
/** `100.0 %` */
const PERCENT = 7
/** In a terminal no name takes more of a row than this share. */
const SHARE = 0.4

/**
 * Predictions as rows of a table: image, class, probability, bar. Each can be printed as soon as it
 * is there, for all names are known before.
 */
export class PredictionTable {
  readonly #image: number
  readonly #label: number
  /** Places of the longest bar. */
  readonly #bar: number
  #headed = false

  constructor(images: readonly Named[], classes: readonly string[]) {
    const room = roomIn(stdout)
    const most = Math.floor(Math.min(SHARE * room, (room - PERCENT) / 2 - GAP.length))
    const widest = (names: readonly string[]) =>
      Math.min(most, Math.max('image'.length, ...names.map((name) => widthOf(harmless(name)))))
    this.#image = widest(images.map(({ name }) => name))
    this.#label = widest(classes)
    const free = room - this.#image - this.#label - PERCENT - 3 * GAP.length
    this.#bar = free < SHORTEST_BAR ? 0 : Math.min(BAR, free)
  }

  /** What stands above the rows. */
  #heading(): string {
    const names = [
      padEnd('image', this.#image),
      padEnd('class', this.#label),
      'share'.padStart(PERCENT),
    ]
    return paint(stdout, 'dim', names.join(GAP))
  }

  /**
   * One row for each class that is named; the image stands in the first. Above the first of all
   * stands a heading.
   */
  rows(image: string, { top }: Pick<Prediction, 'top'>): string[] {
    const rows = top.map(({ label, probability }, index) => {
      const name = index === 0 ? shortenPath(harmless(image), this.#image) : ''
      return [
        padEnd(name, this.#image),
        padEnd(shorten(harmless(label), this.#label), this.#label),
        percent(probability).padStart(PERCENT),
        bar(probability, this.#bar),
      ]
        .join(GAP)
        .trimEnd()
    })
    if (this.#headed) return rows
    this.#headed = true
    return [this.#heading(), ...rows]
  }
}

/** A share in eighths of a character. */
function bar(share: number, longest: number): string {
  const eighths = Math.round(8 * longest * share)
  const rest = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8]
  return paint(stdout, 'cyan', '█'.repeat(Math.floor(eighths / 8)) + rest)
}
