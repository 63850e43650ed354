import { ResidualError } from '../errors/errors.js'
import type { Example } from '../native/generated.js'
import { type GridOptions, type ImageGrid, makeGrid } from './grid.js'

/**
 * Draws images of an evaluation (`samples` or `topLosses`, with `thumbnails`): what each is, and
 * below it what it was taken for and how surely. Right ones are framed in green, wrong ones in red.
 *
 * @example
 * const { samples } = await evaluate('runs/latest', { samples: 12, thumbnails: 96 })
 * await writeFile('samples.png', renderPredictions(samples, { title: 'What it says' }).png())
 *
 * @throws {ResidualError} `E_USAGE` if there are none, or they came without thumbnails
 */
export function renderPredictions(examples: readonly Example[], options?: GridOptions): ImageGrid {
  const tiles = examples.map(({ label, predicted, probability, thumbnail }, index) => {
    if (thumbnail === undefined) {
      throw new ResidualError({
        code: 'E_USAGE',
        message: `\`examples[${index}]\` has no thumbnail`,
        at: { key: `examples[${index}].thumbnail` },
        hint: 'Ask for them: `evaluate(model, { samples: 16, thumbnails: 64 })`.',
      })
    }
    const { width, height, channels, base64 } = thumbnail
    return {
      image: {
        data: Buffer.from(base64, 'base64'),
        width,
        height,
        channels: channels === 1 ? (1 as const) : (3 as const),
      },
      caption: label,
      note: `${predicted === label ? '' : `as ${predicted}, `}${(100 * probability).toFixed(1)} %`,
      correct: predicted === label,
    }
  })
  return makeGrid(tiles, options)
}
