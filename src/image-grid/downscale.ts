import type { Pixels } from '../native/arguments/image.js'

/**
 * Downscales an image by averaging pixels, so that no side is longer than `maxSide` pixels. Smaller
 * images are returned unchanged.
 */
export function downscale(image: Pixels, maxSide: number): Pixels {
  const { data, width, height, channels } = image
  const scale = Math.max(width, height) / maxSide
  if (scale <= 1) return image
  const [w, h] = [width, height].map((length) => Math.max(1, Math.floor(length / scale))) as [
    number,
    number,
  ]
  const scaled = new Uint8Array(w * h * channels)
  for (let y = 0; y < h; y++) {
    const [top, bottom] = [Math.floor((y * height) / h), Math.ceil(((y + 1) * height) / h)]
    for (let x = 0; x < w; x++) {
      const [left, right] = [Math.floor((x * width) / w), Math.ceil(((x + 1) * width) / w)]
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0
        for (let row = top; row < bottom; row++) {
          for (let column = left; column < right; column++) {
            sum += data[(row * width + column) * channels + channel] ?? 0
          }
        }
        const mean = sum / ((bottom - top) * (right - left))
        scaled[(y * w + x) * channels + channel] = Math.round(mean)
      }
    }
  }
  return { data: scaled, width: w, height: h, channels }
}
