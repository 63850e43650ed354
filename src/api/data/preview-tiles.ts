import { basename } from 'node:path'
import type { GridTile } from '../../image-grid/grid.js'
import { coreAddon } from '../../native/addon.js'
import { serializeOptions } from '../../native/arguments/serialize-config.js'
import { runCancellable } from '../../native/cancel.js'
import type { DatasetInfo, PreviewConfig, Split, WarningEvent } from '../../native/generated.js'
import { unwrapResult } from '../../native/native-result.js'

/** Images of a data set as grid tiles, with their classes as captions. */
export interface Preview {
  facts: DatasetInfo
  split: Split
  /** Class index of each tile. */
  labels: number[]
  tiles: GridTile[]
  /** Warnings about skipped files and suspicious properties of the data set. */
  warnings: WarningEvent[]
}

/** Metadata that the addon returns together with the pixels. */
interface PreviewMetadata {
  facts: DatasetInfo
  split: Split
  images: {
    index: number
    name: string
    label: number
    width: number
    height: number
    channels: 1 | 3
  }[]
  warnings: WarningEvent[]
}

/**
 * Reads images of a data set that is on this machine.
 *
 * @param signal cancels opening the data set and reading its images
 * @throws {ResidualError} the errors of opening the data set; `E_USAGE` for a missing split
 */
export async function readPreviewTiles(
  config: PreviewConfig,
  signal?: AbortSignal,
): Promise<Preview> {
  const request = serializeOptions(config)
  const addon = coreAddon()
  const { metadata, pixels } = await runCancellable(signal, addon, async (cancel) => {
    const { result, pixels } = await addon.preview(request, cancel)
    return { metadata: unwrapResult<PreviewMetadata>(result), pixels }
  })
  const { facts, split, images, warnings } = metadata
  let offset = 0
  const tiles = images.map(({ label, name, width, height, channels }) => {
    const end = offset + width * height * channels
    const image = { data: pixels.subarray(offset, end), width, height, channels }
    offset = end
    return { image, caption: facts.classes[label] ?? String(label), note: shortName(name) }
  })
  return { facts, split, labels: images.map(({ label }) => label), tiles, warnings }
}

/** Returns the base name of a file; the name of an image without a file (`train/7`) is kept. */
function shortName(name: string): string {
  return /^(train|val|test)\/\d+$/.test(name) ? name : basename(name)
}
