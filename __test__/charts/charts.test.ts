import test from 'ava'
import { barChart, dotChart } from '#dist/charts/bar-chart.js'
import { toPng } from '#dist/charts/figure-files.js'
import { lineChart, type Series } from '#dist/charts/line-chart.js'
import { matrixChart } from '#dist/charts/matrix-chart.js'
import { PALETTE } from '#dist/charts/theme.js'
import { script } from '../child.js'

const ERROR = { title: 'error (%)' }
const SERIES: Series[] = ['20 layers', '56 layers'].flatMap((name, index) =>
  (['training error', 'test error'] as const).map((kind) => ({
    name,
    kind,
    stroke: kind === 'test error' ? ('bold' as const) : ('dashed' as const),
    panel: 'plain',
    points: [10, 20, 30].map((x) => ({ x, y: 50 - x - index, std: 1 })),
  })),
)

/** Returns the texts of a chart. */
function words(svg: string): string[] {
  return [...svg.matchAll(/<text[^>]*>([^<]*)</g)].map(([, text]) => text as string)
}

/** Returns the path data of all marks of a role. */
function paths(svg: string, role: string): string[] {
  const pattern = new RegExp(`aria-roledescription="${role}" d="([^"]*)"`, 'g')
  return [...svg.matchAll(pattern)].map(([, d]) => d as string)
}

test('a line chart labels its axes, series and strokes', async (t) => {
  const x = { title: 'steps' }
  const svg = await lineChart({ title: 'Degradation', x, y: ERROR, series: SERIES })
  for (const word of ['Degradation', 'steps', ERROR.title]) t.true(words(svg).includes(word))
  for (const word of ['20 layers', '56 layers', 'training error', 'test error']) {
    t.is(words(svg).filter((text) => text === word).length, 1, word)
  }
  t.is(paths(svg, 'line mark').length, 4)
  t.regex(svg, /stroke-dasharray="5,3"/)
  for (const color of PALETTE.slice(0, 2)) t.true(svg.includes(color))
  t.notRegex(svg, /NaN|Infinity|undefined/)
})

test('panels have headings', async (t) => {
  const twoPanels = SERIES.flatMap((line) => [line, { ...line, panel: 'residual' }])
  const svg = await lineChart({ x: { title: 'steps' }, y: ERROR, series: twoPanels })
  t.deepEqual(
    words(svg).filter((word) => word === 'plain' || word === 'residual'),
    ['plain', 'residual'],
  )
  t.is(paths(svg, 'line mark').length, 8)
})

test('a logarithmic axis has ticks at powers of ten and drops zero', async (t) => {
  const points = [0, 1e-5, 1e-3, 1e-1].map((x) => ({ x, y: 1 + x }))
  const chart = { x: { title: 'rate', scale: 'log' }, y: { title: 'loss' } } as const
  const svg = await lineChart({ ...chart, series: [{ name: 'loss', points }] })
  for (const power of ['1e-5', '1e-3', '1e-1']) t.true(words(svg).includes(power))
  t.is(paths(svg, 'line mark')[0]?.match(/[ML]/g)?.length, 3)
  t.notRegex(svg, /NaN|Infinity/)
})

test('an empty chart is rendered', async (t) => {
  t.regex(await lineChart({ x: { title: 'x' }, y: ERROR, series: [] }), /^<svg/)
  t.regex(await barChart({ x: 'network', y: ERROR, bars: [] }), /^<svg/)
})

test('escapes text', async (t) => {
  const name = '</text><script>&"'
  const series = [...SERIES, { name, points: [{ x: 1, y: 1 }] }]
  const svg = await lineChart({ title: name, x: { title: name }, y: ERROR, series })
  t.false(svg.includes('<script'))
  // Labels also enter an expression of Vega.
  const labels = [name, `'"]+\\\u2028`, 'plain']
  const bars = labels.map((label) => ({ label, value: 1 }))
  t.true(words(await barChart({ x: '', y: ERROR, isHorizontal: true, bars })).includes('plain'))
  const counts = labels.map(() => labels.map(() => 1))
  const matrix = await matrixChart({ rowTitle: name, columnTitle: name, labels, counts })
  t.true(words(matrix).includes('plain'))
  t.false(matrix.includes('<script'))
})

test('horizontal bars have one label per row', async (t) => {
  const bars = ['airplane', 'automobile', 'bird'].map((label, value) => ({ label, value }))
  const chart = { x: '', y: ERROR, bars }
  const heightOf = (svg: string) => Number(/height="(\d+)"/.exec(svg)?.[1])
  const horizontal = await barChart({ ...chart, isHorizontal: true })
  const more = await barChart({
    ...chart,
    bars: [...bars, { label: 'cat', value: 1 }],
    isHorizontal: true,
  })
  t.true(heightOf(more) > heightOf(horizontal))
  t.deepEqual(
    words(horizontal).filter((word) => /[a-z]{4}/.test(word) && word !== ERROR.title),
    ['airplane', 'automobile', 'bird'],
  )
})

test('the color of a matrix cell shows its fraction of the row', async (t) => {
  const counts = [
    [9, 1],
    [0, 200],
  ]
  const svg = await matrixChart({
    rowTitle: 'is',
    columnTitle: 'as',
    labels: ['ant', 'bee'],
    counts,
  })
  const shades = [...svg.matchAll(/aria-roledescription="rect mark"[^>]*opacity="([\d.]+)"/g)]
  const [correct, wrong, zero, full] = shades.map(([, opacity]) => Number(opacity))
  t.is(full, 1)
  t.is(zero, 0)
  t.true((correct ?? 0) > 0.9 && (wrong ?? 1) < 0.4 && (wrong ?? 0) > 0.2)
  for (const word of ['ant', 'bee', 'is', 'as', '9', '1', '200']) t.true(words(svg).includes(word))
})

test('numbers in a matrix have enough contrast on every cell', async (t) => {
  // Fractions from 0.01 to 1 of each row.
  const counts = Array.from({ length: 15 }, (_, row) =>
    Array.from({ length: 15 }, (_, column) =>
      column === 0 ? 1 + row * 7 : column === 1 ? 99 - row * 7 : 0,
    ),
  )
  const labels = counts.map((_, index) => String(index))
  const svg = await matrixChart({ rowTitle: 'is', columnTitle: 'as', labels, counts })
  const fields = [...svg.matchAll(/rect mark"[^>]*fill="(#\w+)"[^>]*opacity="([\d.]+)"/g)]
  const numbers = [...svg.matchAll(/text mark"[^>]*fill="(#\w+)"/g)].map(([, fill]) => fill)
  const shown = fields.filter(([, , opacity]) => Number(opacity) > 0)
  t.is(shown.length, numbers.length)
  for (const [index, [, fill, opacity]] of shown.entries()) {
    const field = rgb(fill as string).map((value) => 255 + (value - 255) * Number(opacity))
    const contrast = contrastRatio(rgb(numbers[index] as string), field)
    t.true(contrast >= 4.5, `${contrast} on ${opacity}`)
  }
})

function rgb(hex: string): number[] {
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16))
}

/** Contrast ratio as defined by WCAG 2.2. */
function contrastRatio(first: readonly number[], second: readonly number[]): number {
  const luminance = (color: readonly number[]) => {
    const [r, g, b] = color.map((value) => {
      const level = value / 255
      return level <= 0.04045 ? level / 12.92 : ((level + 0.055) / 1.055) ** 2.4
    }) as [number, number, number]
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const [a, b] = [luminance(first), luminance(second)]
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
}

test('a series of one point is visible', async (t) => {
  const series = [{ name: 'one epoch', points: [{ x: 1, y: 2 }] }]
  const svg = await lineChart({ x: { title: 'epoch' }, y: ERROR, series })
  t.is(svg.match(/aria-roledescription="point"/g)?.length, 1)
})

test('bars start at zero and dots do not', async (t) => {
  const bars = [
    { label: 'resnet20', value: 8.75, std: 0.2 },
    { label: 'resnet56', value: 6.97 },
  ]
  const chart = { x: 'network', y: ERROR, bars }
  t.true(words(await barChart(chart)).includes('0'))
  const dots = await dotChart(chart)
  t.false(words(dots).includes('0'))
  for (const word of ['resnet20', 'resnet56', 'network']) t.true(words(dots).includes(word))
})

test('converts a chart to PNG', async (t) => {
  const svg = await barChart({ x: 'network', y: ERROR, bars: [{ label: 'a', value: 1 }] })
  const png = await toPng(svg, 2)
  t.is(png.toString('latin1', 1, 4), 'PNG')
  t.is(png.readUInt32BE(16), 2 * Number(/width="(\d+)"/.exec(svg)?.[1]))
})

test('importing the package loads no chart library', async (t) => {
  const hooks = `export function resolve(name, context, next) {
    if (/vega|resvg/.test(name)) throw new Error('loaded ' + name)
    return next(name, context)
  }`
  const { status, stderr } = await script(`
    import { register } from 'node:module'
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hooks)}))
    await import('residual')
    await import('#dist/charts/line-chart.js')
    await import('vega').then(() => process.exit(1), () => {})
  `)
  t.is(status, 0, stderr)
})

test('an axis of epochs ends at whole epochs, so that short runs have two ticks', async (t) => {
  const ticksOf = async (xs: readonly number[]) => {
    const svg = await lineChart({
      x: { title: 'epoch', isInteger: true },
      y: { title: 'loss' },
      series: [{ name: 'a', points: xs.map((x) => ({ x, y: 1 + x })) }],
    })
    return [
      ...svg.matchAll(/aria-label="X-axis titled 'epoch'[^"]*from ([\d.]+) to ([\d.]+)"/g),
    ][0]?.slice(1)
  }
  t.deepEqual(await ticksOf([0.3, 0.6, 0.9]), ['0', '1'])
  t.deepEqual(await ticksOf([0.7, 1.4]), ['0', '2'])
  t.deepEqual(await ticksOf([1, 2, 3]), ['1', '3'])
})
