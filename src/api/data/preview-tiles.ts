import { basename } from 'node:path'
import type { GridTile } from '../../image-grid/grid.js'
import { coreAddon } from '../../native/addon.js'
import { serializeConfig } from '../../native/arguments/serialize-config.js'
import { runCancellable } from '../../native/cancel.js'
import type { DataFacts, DataPart, ShowConfig } from '../../native/generated.js'
import { unwrapResult } from '../../native/native-result.js'

/** Images of a data set, with their classes as captions. */
export interface Preview {
  facts: DataFacts
  part: DataPart
  /** An index into the data set's classes, for each tile. */
  labels: number[]
  tiles: GridTile[]
}

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
 * Reads images of a data set that is on this machine.
 *
 * @param signal ends the looking through the data set
 * @throws {ResidualError} as opening the data set does; `E_USAGE` for a part that it has not
 */
export async function readPreviewTiles(config: ShowConfig, signal?: AbortSignal): Promise<Preview> {
  const request = serializeConfig(config, 'what to show')
  const addon = coreAddon()
  const { shown, pixels } = await runCancellable(signal, addon, async (cancel) => {
    const { envelope, pixels } = await addon.preview(request, cancel)
    return { shown: unwrapResult<Shown>(envelope), pixels }
  })
  const { facts, part, images } = shown
  let at = 0
  const tiles = images.map(({ label, name, width, height, channels }) => {
    const end = at + width * height * channels
    const image = { data: pixels.subarray(at, end), width, height, channels }
    at = end
    return { image, caption: facts.classes[label] ?? String(label), note: shortName(name) }
  })
  return { facts, part, labels: images.map(({ label }) => label), tiles }
}

/** A file by its own name. */
function shortName(name: string): string {
  return /^(train|val|test)\/\d+$/.test(name) ? name : basename(name)
}
