import { basename } from 'node:path'
import type { GridTile } from '../../image-grid/grid.js'
import { coreAddon } from '../../native/addon.js'
import { serializeConfig } from '../../native/arguments/serialize-config.js'
import { runCancellable } from '../../native/cancel.js'
import type { DatasetInfo, PreviewConfig, Split } from '../../native/generated.js'
import { unwrapResult } from '../../native/native-result.js'

/** Images of a data set, with their classes as captions. */
export interface Preview {
  facts: DatasetInfo
  split: Split
  /** An index into the data set's classes, for each tile. */
  labels: number[]
  tiles: GridTile[]
}

/** As the core answers. */
interface Shown {
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
}

/**
 * Reads images of a data set that is on this machine.
 *
 * @param signal ends the looking through the data set
 * @throws {ResidualError} as opening the data set does; `E_USAGE` for a split that it has not
 */
export async function readPreviewTiles(
  config: PreviewConfig,
  signal?: AbortSignal,
): Promise<Preview> {
  const request = serializeConfig(config, 'what to show')
  const addon = coreAddon()
  const { shown, pixels } = await runCancellable(signal, addon, async (cancel) => {
    const { envelope, pixels } = await addon.preview(request, cancel)
    return { shown: unwrapResult<Shown>(envelope), pixels }
  })
  const { facts, split, images } = shown
  let at = 0
  const tiles = images.map(({ label, name, width, height, channels }) => {
    const end = at + width * height * channels
    const image = { data: pixels.subarray(at, end), width, height, channels }
    at = end
    return { image, caption: facts.classes[label] ?? String(label), note: shortName(name) }
  })
  return { facts, split, labels: images.map(({ label }) => label), tiles }
}

/** A file by its own name. */
function shortName(name: string): string {
  return /^(train|val|test)\/\d+$/.test(name) ? name : basename(name)
}
