import { basename } from 'node:path'
import type { DownloadOptions } from '../../download/fetch-file.js'
import { prepareData } from '../../download/prepare-data.js'
import { type GridOptions, type ImageGrid, makeGrid } from '../../image-grid/grid.js'
import type { DataConfig, PreviewConfig } from '../../native/generated.js'
import { readPreviewTiles } from './preview-tiles.js'

/** What to show of a data set, and how. */
export interface PreviewOptions extends Omit<PreviewConfig, 'data'>, GridOptions, DownloadOptions {}

const PARTS = { train: 'training', val: 'validation', test: 'test' } as const

/**
 * Shows images of a data set with their classes (`residual data preview`; the notebook's `make_grid`),
 * as they are or, with `augmented`, as training sees them: by the same code, with the
 * normalisation taken back. A named data set is downloaded if need be. Needs no libtorch.
 *
 * @example
 * const grid = await previewDataset('./photos', { augmented: true, count: 12 })
 * await writeFile('photos.png', grid.png())
 *
 * @param data a data set, as in `TrainConfig`
 * @throws {ResidualError} as opening the data set does; `E_USAGE` for a part that it has not
 */
export async function previewDataset(
  data: string | DataConfig,
  { title, columns, tileSize, signal, onDownload, ...config }: PreviewOptions = {},
): Promise<ImageGrid> {
  await prepareData(data)?.({ signal, onDownload })
  const { facts, split, labels, tiles } = await readPreviewTiles({ data, ...config }, signal)
  const augmented = config.augmented ? ', augmented' : ''
  return makeGrid(tiles, {
    title:
      title ??
      `${basename(facts.source)}, ${tiles.length} of the ${PARTS[split]} images${augmented}`,
    // Where a few images of each class are shown, each class has a row.
    columns: columns ?? (config.order === 'by-class' ? perClass(labels) : undefined),
    tileSize,
  })
}

/** As many as there are of the first class, if that gives rows that can be looked at. */
function perClass(labels: readonly number[]): number | undefined {
  const count = labels.filter((label) => label === labels[0]).length
  return count > 1 && count <= 20 ? count : undefined
}
