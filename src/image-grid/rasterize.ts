import { join } from 'node:path'
import { unpackedPath } from '../native/loading/asar.js'
import { requireFromPackage } from '../native/loading/package-files.js'

/** Font of all text in PNG files, installed with the package, since a server may have no fonts. */
export const FONT_FAMILY = 'DejaVu Sans'

/** Characters without a glyph in DejaVu Sans: Indic and East Asian scripts, emoji. */
const NOT_IN_DEJAVU = /[\u0700-\u10ff\u1200-\u1cff\u2c80-\ufaff\ufe30-\uffef\u{10000}-\u{1ffff}]/u

/** Options of a PNG file. */
export interface PngOptions {
  /** Pixels per unit of the drawing. Default: 2. */
  scale?: number | undefined
}

/** Rasterizes an SVG to a PNG file. System fonts are used for glyphs that DejaVu Sans lacks. */
export function rasterizeSvg(svg: string, { scale = 2 }: PngOptions = {}): Buffer {
  // Loaded on first use: most programs write no PNG.
  const { Resvg } = requireFromPackage()('@resvg/resvg-js') as typeof import('@resvg/resvg-js')
  const renderer = new Resvg(svg, {
    fitTo: { mode: 'zoom', value: scale },
    font: {
      fontFiles: fontFiles(),
      // Searching the fonts of the system is slow.
      loadSystemFonts: NOT_IN_DEJAVU.test(svg),
      defaultFontFamily: FONT_FAMILY,
      sansSerifFamily: FONT_FAMILY,
    },
  })
  return renderer.render().asPng()
}

function fontFiles(): string[] {
  const manifest = requireFromPackage().resolve('dejavu-fonts-ttf/package.json')
  const folder = unpackedPath(join(manifest, '..', 'ttf'))
  return ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map((name) => join(folder, name))
}
