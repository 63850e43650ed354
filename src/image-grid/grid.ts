import { ResidualError } from '../errors/errors.js'
import type { Pixels } from '../native/arguments/image.js'
import { detectMediaType, encodePng, readImageSize } from './png.js'
import { FONT_FAMILY, type PngOptions, rasterizeSvg } from './rasterize.js'
import { escapeXml, textWidth, truncateText } from './svg-text.js'

/** An image of a grid with its caption. */
export interface GridTile {
  /** Pixels, or the contents of a PNG or JPEG file. */
  image: Pixels | Uint8Array
  /**
   * Text below the image, truncated to the width of the tile. An SVG shows the full text as a
   * tooltip.
   */
  caption: string
  /** Second line of the caption, in a smaller font. */
  note?: string | undefined
  /** Draws a green frame if true, a red frame if false, and no frame if undefined. */
  correct?: boolean | undefined
}

/** Layout of a grid. */
export interface GridOptions {
  /** Title above the grid. */
  title?: string | undefined
  /** Images per row. Default: about 1.5 times the number of rows, at most 12. */
  columns?: number | undefined
  /** Longer side of a tile in pixels. Default: longest side of all images, from 84 to 160. */
  tileSize?: number | undefined
}

/** A grid of images as SVG, which can be rasterized to PNG. */
export class ImageGrid {
  readonly svg: string

  constructor(svg: string) {
    this.svg = svg
  }

  /** Rasterizes the grid to a PNG file. The result is not cached. */
  png(options?: PngOptions): Buffer {
    return rasterizeSvg(this.svg, options)
  }
}

const GAP = 10
const MAX_COLUMNS = 12
const MARGIN = 16
/** Font size and line height in pixels; bold letters are wider than the estimate of `textWidth`. */
const TITLE = { size: 15, line: 28, boldFactor: 1.15 }
const CAPTION = { size: 11, line: 16 }
const NOTE = { size: 9, line: 13 }
const FRAME_WIDTH = 2
const [MIN_TILE, MAX_TILE] = [84, 160]

const INK = '#1c1e21'
const FAINT = '#5c6370'
const CORRECT = '#1a7f37'
const WRONG = '#cf222e'

/**
 * Arranges images in a grid with captions, as `torchvision.utils.make_grid`.
 *
 * @example
 * const data = new Uint8Array(28 * 28).fill(128)
 * const gray = { data, width: 28, height: 28, channels: 1 } as const
 * await writeFile('grid.svg', makeGrid([{ image: gray, caption: 'gray' }]).svg)
 *
 * @throws {ResidualError} `E_USAGE` if there are no images, or an image is neither pixels nor a
 * file
 */
export function makeGrid(tiles: readonly GridTile[], options: GridOptions = {}): ImageGrid {
  if (tiles.length === 0) throw usageError('tiles', 'there are no images')
  const images = tiles.map(({ image }, index) => embedImage(image, `tiles[${index}].image`))
  const size = options.tileSize ?? defaultTileSize(images)
  const columns = Math.min(
    tiles.length,
    options.columns ?? Math.min(MAX_COLUMNS, Math.ceil(Math.sqrt(1.5 * tiles.length))),
  )
  for (const [key, value] of Object.entries({ columns, tileSize: size })) {
    if (!Number.isInteger(value) || value < 1) {
      throw usageError(key, `\`${key}\` must be a whole number of at least 1, not ${value}`)
    }
  }
  const rows = Math.ceil(tiles.length / columns)
  const hasNotes = tiles.some(({ note }) => note)
  const cell = { width: size, height: size + CAPTION.line + (hasNotes ? NOTE.line : 0) }
  const top = MARGIN + (options.title ? TITLE.line : 0)
  const gridWidth = columns * cell.width + (columns - 1) * GAP
  const titleWidth = TITLE.boldFactor * textWidth(options.title ?? '', TITLE.size)
  const width = Math.ceil(Math.max(gridWidth, titleWidth) + 2 * MARGIN)
  const height = Math.ceil(top + rows * (cell.height + GAP) - GAP + MARGIN)

  const parts = tiles.map((tile, index) => {
    const x = MARGIN + (index % columns) * (cell.width + GAP)
    const y = top + Math.floor(index / columns) * (cell.height + GAP)
    return drawTile(tile, images[index] as EmbeddedImage, { x, y, size })
  })
  if (options.title) {
    parts.unshift(
      drawText(options.title, MARGIN, MARGIN + TITLE.size, TITLE.size, INK, 'font-weight="bold"'),
    )
  }
  return new ImageGrid(
    [
      `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"`,
      ` viewBox="0 0 ${width} ${height}" font-family="${FONT_FAMILY}, Verdana, sans-serif">\n`,
      `<rect width="${width}" height="${height}" fill="#fff"/>\n${parts.join('\n')}\n</svg>\n`,
    ].join(''),
  )
}

interface EmbeddedImage {
  href: string
  width: number
  height: number
}

function embedImage(image: GridTile['image'], key: string): EmbeddedImage {
  const file = image instanceof Uint8Array ? image : encodePng(checkPixels(image, key))
  const size = readImageSize(file)
  if (size === undefined) throw usageError(key, `\`${key}\` must be pixels or a PNG or JPEG file`)
  const base64 = Buffer.from(file.buffer, file.byteOffset, file.byteLength).toString('base64')
  return { href: `data:${detectMediaType(file)};base64,${base64}`, width: size[0], height: size[1] }
}

function checkPixels(pixels: Pixels, key: string): Pixels {
  const { data, width, height, channels } = pixels ?? {}
  const isComplete = data instanceof Uint8Array && data.length === width * height * channels
  if (isComplete && data.length > 0 && (channels === 1 || channels === 3)) return pixels
  throw usageError(
    key,
    `\`${key}\` must be pixels (\`{ data, width, height, channels }\`) or a file`,
  )
}

/** Enlarges small images by an integer factor, so that their pixels stay square. */
function defaultTileSize(images: readonly EmbeddedImage[]): number {
  const side = Math.max(...images.map(({ width, height }) => Math.max(width, height)))
  if (side >= MIN_TILE) return Math.min(side, MAX_TILE)
  return side * Math.ceil(MIN_TILE / side)
}

function drawTile(
  { caption, note, correct }: GridTile,
  { href, width, height }: EmbeddedImage,
  { x, y, size }: { x: number; y: number; size: number },
): string {
  const scale = size / Math.max(width, height)
  const [w, h] = [width * scale, height * scale]
  const [left, top] = [x + (size - w) / 2, y + (size - h) / 2]
  // resvg enlarges without interpolation only with `optimizeSpeed`, which browsers treat as
  // `pixelated`.
  const rendering = scale > 1 ? ' image-rendering="optimizeSpeed"' : ''
  const color = correct === undefined ? INK : correct ? CORRECT : WRONG
  const frame =
    correct === undefined
      ? ''
      : `<rect x="${left - 1}" y="${top - 1}" width="${w + 2}" height="${h + 2}" fill="none" ` +
        `stroke="${color}" stroke-width="${FRAME_WIDTH}"/>`
  const captionY = y + size + CAPTION.line - 3
  const noteY = y + size + CAPTION.line + NOTE.line - 4
  return [
    `<g><title>${escapeXml(note ? `${caption}\n${note}` : caption)}</title>`,
    `<image x="${left}" y="${top}" width="${w}" height="${h}" preserveAspectRatio="none"${rendering} href="${href}"/>`,
    frame,
    drawText(truncateText(caption, size, CAPTION.size), x, captionY, CAPTION.size, color),
    note ? drawText(truncateText(note, size, NOTE.size), x, noteY, NOTE.size, FAINT) : '',
    '</g>',
  ].join('')
}

function drawText(
  text: string,
  x: number,
  y: number,
  size: number,
  fill: string,
  attributes = '',
): string {
  const all = `x="${x}" y="${y}" font-size="${size}" fill="${fill}"${attributes && ` ${attributes}`}`
  return `<text ${all}>${escapeXml(text)}</text>`
}

function usageError(key: string, message: string): ResidualError {
  return new ResidualError({ code: 'E_USAGE', message, at: { key } })
}
