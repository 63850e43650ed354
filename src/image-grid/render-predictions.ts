import { ResidualError } from '../errors/errors.js'
import type { EvaluatedImage } from '../native/generated.js'
import { type GridOptions, type ImageGrid, makeGrid } from './grid.js'

/**
 * Draws images of an evaluation (`samples` or `topLosses`, with `thumbnails`), each with its label,
 * predicted class and probability. Correct predictions have a green frame, wrong predictions a red
 * frame.
 *
 * @example
 * const { samples } = await evaluate('runs/latest', { samples: 12, thumbnails: 96 })
 * await writeFile('samples.png', renderPredictions(samples, { title: 'Predictions' }).png())
 *
 * @throws {ResidualError} `E_USAGE` if the list is empty or an example has no thumbnail
 */
export function renderPredictions(
  examples: readonly EvaluatedImage[],
  options?: GridOptions,
): ImageGrid {
  const tiles = examples.map(({ label, predicted, probability, thumbnail }, index) => {
    if (thumbnail === undefined) {
      throw new ResidualError({
        code: 'E_USAGE',
        message: `\`examples[${index}]\` has no thumbnail`,
        at: { key: `examples[${index}].thumbnail` },
        hint: 'Request thumbnails: `evaluate(model, { samples: 16, thumbnails: 64 })`.',
      })
    }
    const { width, height, channels, base64 } = thumbnail
    const correct = predicted === label
    return {
      image: {
        data: Buffer.from(base64, 'base64'),
        width,
        height,
        channels: channels === 1 ? (1 as const) : (3 as const),
      },
      caption: label,
      note: `${correct ? '' : `${predicted}, `}${(100 * probability).toFixed(1)} %`,
      correct,
    }
  })
  return makeGrid(tiles, options)
}
