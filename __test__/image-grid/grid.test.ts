import { deflateSync, inflateSync } from 'node:zlib'
import test from 'ava'
import { type GridTile, makeGrid, type Pixels, ResidualError } from 'residual'
import { pixels as grayPixels, png as pngFile } from '../tiny.js'

/** Returns an image of one color. */
function flat(value: readonly number[], side = 8): Pixels {
  const data = new Uint8Array(side * side * value.length)
  for (let at = 0; at < data.length; at++) data[at] = value[at % value.length] as number
  return { data, width: side, height: side, channels: value.length as 1 | 3 }
}

/** Decodes an RGBA PNG written by resvg. */
function decode(png: Buffer): {
  width: number
  height: number
  at(x: number, y: number): number[]
} {
  const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)]
  const parts: Buffer[] = []
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at)
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT') {
      parts.push(png.subarray(at + 8, at + 8 + length))
    }
    at += 12 + length
  }
  const raw = inflateSync(Buffer.concat(parts))
  const stride = 4 * width
  const rows = Buffer.alloc(stride * height)
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)]
    for (let x = 0; x < stride; x++) {
      const left = x < 4 ? 0 : (rows[y * stride + x - 4] as number)
      const up = y === 0 ? 0 : (rows[(y - 1) * stride + x] as number)
      const corner = x < 4 || y === 0 ? 0 : (rows[(y - 1) * stride + x - 4] as number)
      const distances = [left, up, corner].map((value) => Math.abs(left + up - corner - value))
      const [a, b, c] = distances as [number, number, number]
      const paeth = a <= b && a <= c ? left : b <= c ? up : corner
      const predicted = [0, left, up, (left + up) >> 1, paeth][filter as number] as number
      rows[y * stride + x] = (raw[y * (stride + 1) + 1 + x] as number) + predicted
    }
  }
  return {
    width,
    height,
    at: (x, y) => [...rows.subarray(y * stride + 4 * x, y * stride + 4 * x + 3)],
  }
}

test('draws every image at its position without interpolation', (t) => {
  const colors = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [40]]
  const tiles = colors.map((color, index) => ({ image: flat(color), caption: `${index}` }))
  const grid = makeGrid(tiles, { columns: 2, tileSize: 16 })
  const { width, height, at } = decode(grid.png({ scale: 1 }))
  t.deepEqual([width, height], [2 * 16 + 2 * 16 + 10, 16 + 2 * (16 + 16 + 10) - 10 + 16])
  // Margin 16, tile 16, gap 10, caption 16.
  for (const edge of [16, 24, 31]) t.deepEqual(at(edge, edge), [255, 0, 0], 'without interpolation')
  t.deepEqual(at(50, 24), [0, 255, 0])
  t.deepEqual(at(24, 66), [0, 0, 255])
  t.deepEqual(at(50, 66), [40, 40, 40])
  t.deepEqual(at(2, 2), [255, 255, 255])
})

test('escapes captions', (t) => {
  const caption = `a&b <script>"x"</script> 'y' \u0000 ]]>`
  const { svg } = makeGrid([{ image: flat([1]), caption, note: '<&>' }], { title: '<t>&' })
  t.false(svg.includes('<script'))
  t.true(
    svg.includes('<title>a&#38;b &#60;script&#62;&#34;x&#34;&#60;/script&#62; &#39;y&#39; \ufffd'),
  )
  t.true(svg.includes('&#60;t&#62;&#38;</text>'))
})

test('draws captions without a system font', (t) => {
  const withoutCaption = makeGrid([{ image: flat([255]), caption: '' }]).png({ scale: 1 })
  const withCaption = makeGrid([{ image: flat([255]), caption: 'mm' }]).png({ scale: 1 })
  const countDark = (file: Buffer) => {
    const { width, height, at } = decode(file)
    let dark = 0
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) dark += +((at(x, y)[0] ?? 0) < 128)
    return dark
  }
  t.is(countDark(withoutCaption), 0)
  t.true(countDark(withCaption) > 20)
})

test('truncates a long caption and keeps it in the tooltip', (t) => {
  const caption = 'great white shark, white shark, man-eater, man-eating shark'
  const { svg } = makeGrid([{ image: flat([1]), caption }])
  t.true(svg.includes(`<title>${caption}</title>`))
  t.regex(svg, />great white…</)
})

test('frames correct predictions in green and wrong ones in red', (t) => {
  const tile = (correct?: boolean): GridTile => ({ image: flat([9]), caption: 'cat', correct })
  t.regex(makeGrid([tile(true)]).svg, /stroke="#1a7f37"/)
  t.regex(makeGrid([tile(false)]).svg, /stroke="#cf222e"/)
  t.notRegex(makeGrid([tile()]).svg, /stroke=/)
})

test('embeds image files unchanged', (t) => {
  const file = pngFile(grayPixels(1))
  const { svg } = makeGrid([{ image: file, caption: 'x' }])
  t.true(svg.includes(file.toString('base64')))
  t.regex(svg, /<image x="16" y="16" width="88" height="88"/)
})

test('rejects invalid images with their key', (t) => {
  const gridError = (tiles: unknown) =>
    t.throws(() => makeGrid(tiles as GridTile[]), { instanceOf: ResidualError, code: 'E_USAGE' })
  gridError([])
  for (const image of [new Uint8Array(0), Buffer.from('GIF89a'), deflateSync('x'), null, {}]) {
    const error = gridError([
      { image: flat([1]), caption: '' },
      { image, caption: '' },
    ])
    t.is(error?.at.key, 'tiles[1].image')
  }
  gridError([{ image: { ...flat([1]), width: 9 }, caption: '' }])
  const tiles = [{ image: flat([1]), caption: '' }]
  t.throws(() => makeGrid(tiles, { columns: 0 }), { code: 'E_USAGE' })
})
