import { ResidualError } from '../errors/errors.js'
import type { Pixels } from '../native/arguments/image.js'
import { detectMediaType, encodePng, readImageSize } from './png.js'
import { FONT_FAMILY, type PngOptions, rasterizeSvg } from './rasterize.js'
import { escapeXml, textWidth, truncateText } from './svg-text.js'

/** One picture of a grid. */
export interface GridTile {
  /** Pixels, or the bytes of a PNG or JPEG file. */
  image: Pixels | Uint8Array
  /** What stands below it. It is cut short where there is no room; an SVG shows all as a tip. */
  caption: string
  /** A second, smaller line. */
  note?: string | undefined
  /** Framed in green if true, in red if false, not at all if left out. */
  correct?: boolean | undefined
}

/** How a grid is laid out. */
export interface GridOptions {
  /** A heading. */
  title?: string | undefined
  /** Pictures in a row. Default: half as many again as there are rows, at most 12. */
  columns?: number | undefined
  /** The longer side of a picture, in pixels. Default: by the largest picture; small ones enlarged. */
  tileSize?: number | undefined
}

/** A drawing, as SVG and, painted when asked for, as PNG. */
export class ImageGrid {
  /** The drawing, as SVG. */
  readonly svg: string

  constructor(svg: string) {
    this.svg = svg
  }

  /** The bytes of a PNG file, painted anew at every call. */
  png(options?: PngOptions): Buffer {
    return rasterizeSvg(this.svg, options)
  }
}

const GAP = 10
const MOST_COLUMNS = 12
const MARGIN = 16
/** Bold letters are wider. */
const TITLE = { size: 15, line: 28, wider: 1.15 }
const CAPTION = { size: 11, line: 16 }
const NOTE = { size: 9, line: 13 }
const FRAME = 2
/** The notebook's pictures are 32 pixels wide, which nobody can see. */
const [SMALLEST_TILE, LARGEST_TILE] = [84, 160]

const INK = '#1c1e21'
const FAINT = '#5c6370'
const GOOD = '#1a7f37'
const BAD = '#cf222e'

/**
 * Lays pictures out in rows with captions below (the notebook's `make_grid`).
 *
 * @example
 * const grey = { data: new Uint8Array(28 * 28).fill(128), width: 28, height: 28, channels: 1 } as const
 * await writeFile('grid.svg', makeGrid([{ image: grey, caption: 'grey' }]).svg)
 *
 * @throws {ResidualError} `E_USAGE` if there are no pictures, or one is neither pixels nor a file
 */
export function makeGrid(tiles: readonly GridTile[], options: GridOptions = {}): ImageGrid {
  if (tiles.length === 0) throw refuse('tiles', 'there is no picture to show')
  const images = tiles.map(({ image }, index) => embed(image, `tiles[${index}].image`))
  const size = options.tileSize ?? tileSize(images)
  const columns = Math.min(
    tiles.length,
    options.columns ?? Math.min(MOST_COLUMNS, Math.ceil(Math.sqrt(1.5 * tiles.length))),
  )
  for (const [key, value] of Object.entries({ columns, tileSize: size })) {
    if (!Number.isInteger(value) || value < 1) {
      throw refuse(key, `\`${key}\` must be a whole number, 1 or more, not ${value}`)
    }
  }
  const rows = Math.ceil(tiles.length / columns)
  const noted = tiles.some(({ note }) => note)
  const cell = { width: size, height: size + CAPTION.line + (noted ? NOTE.line : 0) }
  const top = MARGIN + (options.title ? TITLE.line : 0)
  const grid = 2 * MARGIN + columns * cell.width + (columns - 1) * GAP
  // A long title may be wider than few pictures.
  const width = Math.max(
    grid,
    TITLE.wider * textWidth(options.title ?? '', TITLE.size) + 2 * MARGIN,
  )
  const height = top + rows * (cell.height + GAP) - GAP + MARGIN

  const parts = tiles.map((tile, index) => {
    const x = MARGIN + (index % columns) * (cell.width + GAP)
    const y = top + Math.floor(index / columns) * (cell.height + GAP)
    return drawTile(tile, images[index] as Embedded, { x, y, size })
  })
  if (options.title) {
    parts.unshift(
      text(options.title, MARGIN, MARGIN + TITLE.size, TITLE.size, INK, 'font-weight="bold"'),
    )
  }
  const [w, h] = [Math.ceil(width), Math.ceil(height)]
  return new ImageGrid(
    [
      `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}"`,
      ` font-family="${FONT_FAMILY}, Verdana, sans-serif">\n`,
      `<rect width="${w}" height="${h}" fill="#fff"/>\n${parts.join('\n')}\n</svg>\n`,
    ].join(''),
  )
}

interface Embedded {
  href: string
  width: number
  height: number
}

function embed(image: GridTile['image'], key: string): Embedded {
  const file = image instanceof Uint8Array ? image : encodePng(checked(image, key))
  const size = readImageSize(file)
  if (size === undefined) throw refuse(key, `\`${key}\` must be pixels, or a PNG or JPEG file`)
  const base64 = Buffer.from(file.buffer, file.byteOffset, file.byteLength).toString('base64')
  return { href: `data:${detectMediaType(file)};base64,${base64}`, width: size[0], height: size[1] }
}

function checked(pixels: Pixels, key: string): Pixels {
  const { data, width, height, channels } = pixels ?? {}
  const fits = data instanceof Uint8Array && data.length === width * height * channels
  if (fits && data.length > 0 && (channels === 1 || channels === 3)) return pixels
  throw refuse(key, `\`${key}\` must be pixels (\`{ data, width, height, channels }\`) or a file`)
}

/** Small images are enlarged by a whole factor, so that each of their pixels is a square. */
function tileSize(images: readonly Embedded[]): number {
  const side = Math.max(...images.map(({ width, height }) => Math.max(width, height)))
  if (side >= SMALLEST_TILE) return Math.min(side, LARGEST_TILE)
  return side * Math.ceil(SMALLEST_TILE / side)
}

function drawTile(
  { caption, note, correct }: GridTile,
  { href, width, height }: Embedded,
  { x, y, size }: { x: number; y: number; size: number },
): string {
  const scale = size / Math.max(width, height)
  const [w, h] = [width * scale, height * scale]
  const [left, top] = [x + (size - w) / 2, y + (size - h) / 2]
  // Enlarged without blur, in the word that resvg knows; to browsers it means `pixelated`.
  const sharp = scale > 1 ? ' image-rendering="optimizeSpeed"' : ''
  const judged = correct === undefined ? INK : correct ? GOOD : BAD
  const frame =
    correct === undefined
      ? ''
      : `<rect x="${left - 1}" y="${top - 1}" width="${w + 2}" height="${h + 2}" fill="none" ` +
        `stroke="${judged}" stroke-width="${FRAME}"/>`
  const below = y + size
  return [
    `<g><title>${escapeXml(note ? `${caption}\n${note}` : caption)}</title>`,
    `<image x="${left}" y="${top}" width="${w}" height="${h}" preserveAspectRatio="none"${sharp} href="${href}"/>`,
    frame,
    text(
      truncateText(caption, size, CAPTION.size),
      x,
      below + CAPTION.line - 3,
      CAPTION.size,
      judged,
    ),
    note
      ? text(
          truncateText(note, size, NOTE.size),
          x,
          below + CAPTION.line + NOTE.line - 4,
          NOTE.size,
          FAINT,
        )
      : '',
    '</g>',
  ].join('')
}

function text(words: string, x: number, y: number, size: number, fill: string, more = ''): string {
  const attributes = `x="${x}" y="${y}" font-size="${size}" fill="${fill}"${more && ` ${more}`}`
  return `<text ${attributes}>${escapeXml(words)}</text>`
}

function refuse(key: string, message: string): ResidualError {
  return new ResidualError({ code: 'E_USAGE', message, at: { key } })
}
