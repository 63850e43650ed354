import { basename } from 'node:path'
import type { DownloadOptions } from '../../download/fetch-file.js'
import { prepareData } from '../../download/prepare-data.js'
import { emitWarnings } from '../../errors/emit-warnings.js'
import { type GridOptions, type ImageGrid, makeGrid } from '../../image-grid/grid.js'
import { checkOptions } from '../../native/arguments/check-options.js'
import { serializeOptions } from '../../native/arguments/serialize-config.js'
import type { DataConfig, PreviewConfig } from '../../native/generated.js'
import { SPLIT_NAMES } from '../../native/split-names.js'
import { readPreviewTiles } from './preview-tiles.js'

/** Options of `previewDataset()`: which images to draw, and the layout of the grid. */
export interface PreviewOptions extends Omit<PreviewConfig, 'data'>, GridOptions, DownloadOptions {}

/** Maximum number of columns if each row shows the images of one class. */
const MAX_CLASS_ROW = 20

/**
 * Draws images of a data set with their classes as a grid (`residual data preview`; torchvision's
 * `make_grid`). With `augmented`, the images are augmented as in training, and the normalization is
 * reverted. A named data set is downloaded if necessary. Does not load libtorch. Warnings about the
 * data set are process warnings.
 *
 * @example
 * const grid = await previewDataset('./photos', { augmented: true, count: 12 })
 * await writeFile('photos.png', grid.png())
 *
 * @param data a data set, as in `TrainConfig`
 * @throws {ResidualError} the errors of opening the data set; `E_USAGE` for a missing split
 */
export async function previewDataset(
  data: string | DataConfig,
  { title, columns, tileSize, signal, onDownload, ...config }: PreviewOptions = {},
): Promise<ImageGrid> {
  checkOptions('preview', serializeOptions({ data, ...config }))
  await prepareData(data)?.({ signal, onDownload })
  const { facts, split, labels, tiles, warnings } = await readPreviewTiles(
    { data, ...config },
    signal,
  )
  emitWarnings(warnings)
  const augmented = config.augmented ? ', augmented' : ''
  return makeGrid(tiles, {
    title:
      title ??
      `${basename(facts.source)}, ${tiles.length} ${SPLIT_NAMES[split]} images${augmented}`,
    // With a few images per class, each class gets its own row.
    columns: columns ?? (config.order === 'by-class' ? imagesPerClass(labels) : undefined),
    tileSize,
  })
}

/** Returns the number of images of the first class; undefined if they do not fit into a row. */
function imagesPerClass(labels: readonly number[]): number | undefined {
  const count = labels.filter((label) => label === labels[0]).length
  return count > 1 && count <= MAX_CLASS_ROW ? count : undefined
}
