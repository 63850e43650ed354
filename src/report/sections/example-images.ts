import { relative } from 'node:path'
import { downscale } from '../../image-grid/downscale.js'
import type { GridTile } from '../../image-grid/grid.js'
import { encodePng } from '../../image-grid/png.js'
import type { Pixels } from '../../native/arguments/image.js'
import type { EvaluatedImage } from '../../native/generated.js'
import { formatPercent } from '../html/format.js'
import { type Html, html, isolate } from '../html/html.js'

/** Longer side of a thumbnail, in pixels. */
export const THUMBNAIL_SIZE = 96
/** Longer side in pixels below which an image is enlarged without interpolation. */
const PIXELATED_BELOW = 64

/**
 * Renders images of an evaluation with their labels and predictions.
 *
 * @param source root of the data set; file names are shown relative to it
 */
export function renderExamples(examples: readonly EvaluatedImage[], source: string): Html {
  const items = examples.flatMap(({ thumbnail, label, predicted, probability, name: file }) => {
    if (thumbnail === undefined) return []
    const { width, height, channels, base64 } = thumbnail
    const pixels = { data: Buffer.from(base64, 'base64'), width, height, channels } as Pixels
    const isCorrect = label === predicted
    const confidence = formatPercent(probability)
    const alt = isCorrect ? `${label}, correct` : `${label}, predicted as ${predicted}`
    const verdict = isCorrect
      ? html`<span class="good">✓ ${confidence}</span>`
      : html`<span class="bad">✗ ${isolate(predicted)} ${confidence}</span>`
    const path = relativePath(source, file)
    return html`<li>${renderImage(pixels, `${alt}, confidence ${confidence}`)}<span class="label">${isolate(label)}</span>
${verdict}<span class="file" title="${path}"><bdi>${breakablePath(path)}</bdi></span></li>\n`
  })
  return html`<ul class="pictures">${items}</ul>`
}

/** Renders grid tiles as a list of images with captions; skips images that are not pixels. */
export function renderTiles(tiles: readonly GridTile[]): Html {
  const items = tiles.flatMap(({ image: pixels, caption }) =>
    pixels instanceof Uint8Array
      ? []
      : html`<li>${renderImage(pixels, caption)}<span class="label">${isolate(caption)}</span></li>\n`,
  )
  return html`<ul class="pictures">${items}</ul>`
}

/** Renders pixels as an image with embedded data. */
export function renderImage(pixels: Pixels, alt: string): Html {
  const thumbnail = downscale(pixels, THUMBNAIL_SIZE)
  const { width, height } = thumbnail
  const isPixelated = Math.max(width, height) < PIXELATED_BELOW
  const cssClass = isPixelated ? html` class="small"` : undefined
  const source = `data:image/png;base64,${encodePng(thumbnail).toString('base64')}`
  return html`<img${cssClass} src="${source}" width="${width}" height="${height}" alt="${alt}">`
}

/** Renders a path that may break after each separator. */
export function breakablePath(path: string): Html[] {
  return path.split(/(?<=[\\/])/).map((part) => html`${part}<wbr>`)
}

/**
 * Returns a path relative to the data set, or the unchanged path of a file outside the data set.
 */
function relativePath(source: string, file: string): string {
  const path = relative(source, file)
  return path.startsWith('..') ? file : path
}
