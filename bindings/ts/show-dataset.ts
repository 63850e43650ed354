import { basename } from 'node:path'
import type { DownloadOptions } from './download/fetch-file.js'
import { prepareData } from './download/prepare.js'
import { open } from './errors.js'
import type { DataConfig, DataFacts, DataPart, ShowConfig } from './generated.js'
import { lightAddon } from './native.js'
import { type GridOptions, makeGrid, type Picture } from './pictures/grid.js'
import { toPlainJson } from './plain.js'

/** What to show of a data set, and how. */
export interface ShowOptions extends Omit<ShowConfig, 'data'>, GridOptions, DownloadOptions {}

const PARTS = { train: 'training', val: 'validation', test: 'test' } as const

/** As the core answers. */
interface Shown {
  facts: DataFacts
  part: DataPart
  images: {
    index: number
    name: string
    label: number
    width: number
    height: number
    channels: 1 | 3
  }[]
}

/**
 * Shows images of a data set with their classes (`residual data show`; the notebook's `make_grid`),
 * as they are or, with `augmented`, as training sees them: by the same code, with the
 * normalisation taken back. A named data set is downloaded if need be. Needs no libtorch.
 *
 * @param data a data set, as in `TrainConfig`
 * @throws {ResidualError} as opening the data set does; `E_USAGE` for a part that it has not
 */
export async function showDataset(
  data: string | DataConfig,
  { title, columns, tileSize, signal, onDownload, ...config }: ShowOptions = {},
): Promise<Picture> {
  await prepareData(data)?.({ signal, onDownload })
  const request = toPlainJson({ data, ...config }, 'what to show')
  const { envelope, pixels } = await lightAddon().preview(request)
  const { facts, part, images } = open<Shown>(envelope)
  let at = 0
  const tiles = images.map(({ label, name, width, height, channels }) => {
    const end = at + width * height * channels
    const image = { data: pixels.subarray(at, end), width, height, channels }
    at = end
    return { image, caption: facts.classes[label] ?? String(label), note: shortName(name) }
  })
  const augmented = config.augmented ? ', augmented' : ''
  return makeGrid(tiles, {
    title:
      title ??
      `${basename(facts.source)}, ${images.length} of the ${PARTS[part]} images${augmented}`,
    // Where a few images of each class are shown, each class has a row.
    columns: columns ?? (config.order === 'by-class' ? perClass(images) : undefined),
    tileSize,
  })
}

/** As many as there are of the first class, if that gives rows that can be looked at. */
function perClass(images: Shown['images']): number | undefined {
  const count = images.filter(({ label }) => label === images[0]?.label).length
  return count > 1 && count <= 20 ? count : undefined
}

/** A file by its own name. */
function shortName(name: string): string {
  return /^(train|val|test)\/\d+$/.test(name) ? name : basename(name)
}
