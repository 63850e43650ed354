/**
 * A figure's SVG as PNG, twice as many pixels a side, for screens and paper.
 *
 * @param scale pixels for each of the SVG's
 */
export async function toPng(svg: string, scale = 2): Promise<Buffer> {
  const { Resvg } = await import('@resvg/resvg-js')
  const image = new Resvg(svg, {
    fitTo: { mode: 'zoom', value: scale },
    font: { loadSystemFonts: true, defaultFontFamily: 'DejaVu Sans' },
  })
  return image.render().asPng()
}
