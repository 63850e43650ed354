/** A folder of colored pictures of three shapes, which a tiny network learns in seconds. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { colorPng } from '../tiny.js'

type Shape = (x: number, y: number) => boolean

const SHAPES: Record<string, Shape> = {
  circles: (x, y) => x * x + y * y < 1,
  squares: (x, y) => Math.max(Math.abs(x), Math.abs(y)) < 0.85,
  triangles: (x, y) => y < 0.9 && y > 2 * Math.abs(x) - 0.9,
}

/** Names of the classes. */
export const SHAPE_NAMES = Object.keys(SHAPES)

/** Encodes one picture as PNG; `index` varies color, size and position. */
export function shapePng(name: string, index: number, side: number): Buffer {
  const isInside = SHAPES[name] as Shape
  const vary = (step: number) => ((index * step) % 17) / 17
  const radius = side * (0.28 + 0.14 * vary(5))
  const center = [side * (0.4 + 0.2 * vary(7)), side * (0.4 + 0.2 * vary(11))] as const
  const base = SHAPE_NAMES.indexOf(name)
  const colors = [
    [214 - 60 * vary(3), 96 + 40 * vary(9), 66],
    [38 + 50 * vary(3), 122 + 30 * vary(9), 136],
    [226 - 30 * vary(9), 170 - 30 * vary(3), 60],
  ] as const
  const ground = [236 - 26 * vary(13), 232 - 20 * vary(4), 222 - 40 * vary(6)]
  const rgb = Buffer.alloc(3 * side * side)
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const inside = isInside((x - center[0]) / radius, (y - center[1]) / radius)
      rgb.set(
        (inside ? (colors[base] as readonly number[]) : ground) as number[],
        3 * (y * side + x),
      )
    }
  }
  return colorPng(rgb, side)
}

/** Writes `count` pictures of each shape, in one folder per shape. */
export function shapeFolder(parent: string, count: number, side: number): string {
  const folder = join(parent, 'Shapes')
  for (const name of SHAPE_NAMES) {
    mkdirSync(join(folder, name), { recursive: true })
    for (let index = 0; index < count; index++) {
      writeFileSync(join(folder, name, `${index}.png`), shapePng(name, index, side))
    }
  }
  return folder
}
