import { join } from 'node:path'
import { rasterizeSvg } from '../image-grid/rasterize.js'
import { replaceFile } from '../run-folder/json-files.js'

/** Absolute paths of the files of one figure. */
export interface FigureFiles {
  svg: string
  png: string
}

/** Writes a figure to a folder, as SVG and as PNG. */
export async function writeFigure(folder: string, name: string, svg: string): Promise<FigureFiles> {
  const files = { svg: join(folder, `${name}.svg`), png: join(folder, `${name}.png`) }
  replaceFile(files.svg, svg)
  replaceFile(files.png, await toPng(svg))
  return files
}

/**
 * Rasterizes the SVG of a figure to PNG.
 *
 * @param scale pixels per unit of the SVG; 2 suits screens and print
 */
export async function toPng(svg: string, scale = 2): Promise<Buffer> {
  return rasterizeSvg(svg, { scale })
}
