/**
 * Colors of the curves, distinguishable with color blindness: the palette of Okabe & Ito (2008)
 * without yellow, which is too light on a white background.
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

/**
 * Font family. DejaVu Sans is installed with the package for PNG files; the rest is for browsers.
 */
export const FONT = 'DejaVu Sans, Verdana, Helvetica, Arial, sans-serif'

/** Color of text and error bars. */
export const INK = '#222222'

/** The `config` of all Vega-Lite specifications. */
export const THEME: Record<string, unknown> = {
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
