import { open } from './errors.js'
import { lightAddon } from './native.js'

/** A data set that `data` can name. */
export interface DatasetInfo {
  name: string
  /** What is on the images, in a few words. */
  about: string
  classes: number
  /** Training images. */
  train: number
  /** Test images. */
  test: number
  /** 1 (grey) or 3 (RGB). */
  channels: number
  /** Height and width, in pixels. */
  imageSize: number
  license: string
}

/** The data sets that have a name. Needs no libtorch. */
export async function datasets(): Promise<DatasetInfo[]> {
  return open(lightAddon().datasets())
}
