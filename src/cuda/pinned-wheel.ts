/** A file of an index that contains a wheel. */
export interface WheelBuild {
  file: string
  /** Size in bytes; null if it is not published. */
  bytes: number | null
  sha256: string
}

/** A wheel that setup installs. */
export interface PinnedWheel {
  /** Name of the project in a package index. */
  project: string
  version: string
  /** SPDX expression, or the name of the license in the wheel's metadata. */
  license: string
  /** Size of the unpacked libraries and licenses in bytes. */
  installedBytes: number
  /** Builds with the same libraries, one of which is installed. */
  builds: readonly WheelBuild[]
}

/** Returns the approximate size of the download in bytes; builds differ slightly. */
export function downloadBytes({ builds }: PinnedWheel): number {
  return builds[0]?.bytes ?? 0
}
