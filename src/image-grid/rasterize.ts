import { join } from 'node:path'
import { require } from '../native/platform.js'

/** What texts in pictures are set in. DejaVu Sans comes along, for a server may have no font. */
export const FONT_FAMILY = 'DejaVu Sans'

/** Writing that DejaVu Sans has no glyphs for: Indic, East Asian, emoji. */
const BEYOND_DEJAVU = /[\u0700-\u10ff\u1200-\u1cff\u2c80-\ufaff\ufe30-\uffef\u{10000}-\u{1ffff}]/u

/** How a picture is painted. */
export interface PngOptions {
  /** Pixels for each unit of the drawing. Default: 2, sharp on today's screens. */
  scale?: number | undefined
}

/**
 * Paints an SVG as the bytes of a PNG file. Text is set in a font that comes with this package and,
 * where that has no glyph, in whatever the system has.
 */
export function rasterizeSvg(svg: string, { scale = 2 }: PngOptions = {}): Buffer {
  // Loaded when it is first needed: most programs paint nothing.
  const { Resvg } = require('@resvg/resvg-js') as typeof import('@resvg/resvg-js')
  const painter = new Resvg(svg, {
    fitTo: { mode: 'zoom', value: scale },
    font: {
      fontFiles: fontFiles(),
      // Searching the system's fonts takes long, so only where it may help.
      loadSystemFonts: BEYOND_DEJAVU.test(svg),
      defaultFontFamily: FONT_FAMILY,
      sansSerifFamily: FONT_FAMILY,
    },
  })
  return painter.render().asPng()
}

function fontFiles(): string[] {
  const folder = join(require.resolve('dejavu-fonts-ttf/package.json'), '..', 'ttf')
  return ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map((name) => join(folder, name))
}
