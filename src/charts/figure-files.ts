import { paintPng } from '../image-grid/rasterize.js'

/**
 * A figure's SVG as PNG, twice as many pixels a side, for screens and paper.
 *
 * @param scale pixels for each of the SVG's
 */
export async function toPng(svg: string, scale = 2): Promise<Buffer> {
  return paintPng(svg, { scale })
}
