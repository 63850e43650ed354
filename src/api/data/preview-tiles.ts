import { basename } from 'node:path'
import type { Tile } from '../../image-grid/grid.js'
import { lightAddon } from '../../native/addon.js'
import { toPlainJson } from '../../native/arguments/serialize-config.js'
import { endedBy } from '../../native/cancel.js'
import type { DataFacts, DataPart, ShowConfig } from '../../native/generated.js'
import { open } from '../../native/native-result.js'

/** Images of a data set, with their classes as captions. */
export interface Preview {
  facts: DataFacts
  part: DataPart
  /** An index into the data set's classes, for each tile. */
  labels: number[]
  tiles: Tile[]
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
export async function previewTiles(config: ShowConfig, signal?: AbortSignal): Promise<Preview> {
  const request = toPlainJson(config, 'what to show')
  const addon = lightAddon()
  const { shown, pixels } = await endedBy(signal, addon, async (cancel) => {
    const { envelope, pixels } = await addon.preview(request, cancel)
    return { shown: open<Shown>(envelope), pixels }
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
