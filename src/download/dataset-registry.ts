import { coreAddon } from '../native/addon.js'
import { unwrapResult } from '../native/native-result.js'

/** A named data set, as the core describes it. */
export interface KnownDataset {
  name: string
  /** Title, as the authors write it. */
  title: string
  /** Content of the images, in a few words. */
  description: string
  /** Number of classes. */
  classes: number
  /** Number of training images. */
  train: number
  /** Number of test images. */
  test: number
  /** 1 (gray) or 3 (RGB). */
  channels: number
  /** Height and width in pixels. */
  imageSize: number
  license: string
  /** Web page of the authors. */
  homepage: string
  /** Folder on this machine; null if the data set has to be downloaded first. */
  folder: string | null
  downloads: PublishedFile[]
  /** Files of the data set; on disk, each may be compressed, with the suffix `.gz`. */
  files: { file: string; bytes: number; sha256: string }[]
  /** Folder for the downloaded data set; null if the user has no cache folder. */
  store: string | null
}

/** A file that is downloaded for a named data set. */
export interface PublishedFile {
  file: string
  bytes: number
  sha256: string
  /** URLs of folders that contain the file, in the order to try. */
  from: string[]
  /** Folder to extract from a tar archive; null for a file that is not an archive. */
  unpack: string | null
}

/** Lists the named data sets. */
export function knownDatasets(): KnownDataset[] {
  return unwrapResult(coreAddon().datasets())
}
