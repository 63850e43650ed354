import { relative } from 'node:path'
import { shrink } from '../../image-grid/downscale.js'
import type { GridTile } from '../../image-grid/grid.js'
import { encodePng } from '../../image-grid/png.js'
import type { Pixels } from '../../native/arguments/image.js'
import type { Example } from '../../native/generated.js'
import { THUMBNAIL } from '../evaluate-run.js'
import { percent } from '../html/format.js'
import { type Html, html, name } from '../html/html.js'

/** Smaller ones are enlarged without blur. */
const SMALL = 64

/**
 * Images of an evaluation, each with what it is and what it was taken for.
 *
 * @param source where the data set is: files in it are named from there
 */
export function showExamples(examples: readonly Example[], source: string): Html {
  const items = examples.flatMap(({ thumbnail, label, predicted, probability, name: file }) => {
    if (thumbnail === undefined) return []
    const { width, height, channels, base64 } = thumbnail
    const pixels = { data: Buffer.from(base64, 'base64'), width, height, channels } as Pixels
    const right = label === predicted
    const sure = percent(probability)
    const said = right ? `${label}, recognised` : `${label}, taken for ${predicted}`
    const verdict = right
      ? html`<span class="good">✓ ${sure}</span>`
      : html`<span class="bad">✗ ${name(predicted)} ${sure}</span>`
    return html`<li>${image(pixels, `${said}, ${sure} sure`)}<span class="label">${name(label)}</span>
${verdict}<span class="file" title="${within(source, file)}"><bdi>${steps(within(source, file))}</bdi></span></li>\n`
  })
  return html`<ul class="pictures">${items}</ul>`
}

/** Images with what they are. */
export function showTiles(tiles: readonly GridTile[]): Html {
  const items = tiles.flatMap(({ image: pixels, caption }) =>
    pixels instanceof Uint8Array
      ? []
      : html`<li>${image(pixels, caption)}<span class="label">${name(caption)}</span></li>\n`,
  )
  return html`<ul class="pictures">${items}</ul>`
}

export function image(pixels: Pixels, alt: string): Html {
  const small = shrink(pixels, THUMBNAIL)
  const { width, height } = small
  const sharp = Math.max(width, height) < SMALL ? html` class="small"` : undefined
  const source = `data:image/png;base64,${encodePng(small).toString('base64')}`
  return html`<img${sharp} src="${source}" width="${width}" height="${height}" alt="${alt}">`
}

/** A path that may break after each folder. */
export function steps(path: string): Html[] {
  return path.split(/(?<=[\\/])/).map((step) => html`${step}<wbr>`)
}

/** A file's name below the data set's folder, if it is there. */
function within(source: string, file: string): string {
  const path = relative(source, file)
  return path.startsWith('..') ? file : path
}
