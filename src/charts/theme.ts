/**
 * How every figure looks: legible in print, and in black and white; colours that are told apart by
 * the colour-blind (Okabe & Ito 2008, without its yellow, which paper swallows).
 */
export const PALETTE: readonly string[] = [
  '#0072B2', // blue
  '#D55E00', // vermilion
  '#009E73', // green
  '#CC79A7', // purple
  '#E69F00', // orange
  '#56B4E9', // sky
  '#000000',
]

/** The first is in the package, for pictures; the others are what a browser may have instead. */
export const FONT = 'DejaVu Sans, Verdana, Helvetica, Arial, sans-serif'

/** Of words and whiskers. */
export const INK = '#222222'

/** Vega-Lite's `config`. */
export const STYLE: Record<string, unknown> = {
  background: '#ffffff',
  padding: 8,
  font: FONT,
  view: { stroke: '#888888' },
  title: { fontSize: 14, fontWeight: 'bold', color: INK, anchor: 'middle' },
  axis: {
    labelFontSize: 11,
    titleFontSize: 12,
    titleFontWeight: 'normal',
    labelColor: INK,
    titleColor: INK,
    gridColor: '#e4e4e4',
    tickColor: '#888888',
    domainColor: '#888888',
    labelOverlap: true,
  },
  header: { labelFontSize: 13, labelFontWeight: 'bold', labelColor: INK, title: null },
  legend: {
    labelFontSize: 11,
    titleFontSize: 11,
    labelColor: INK,
    titleColor: INK,
    labelLimit: 400,
    symbolSize: 300,
    symbolStrokeWidth: 2.5,
  },
  range: { category: PALETTE },
}
