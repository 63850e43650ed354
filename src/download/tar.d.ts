// The part of `tar` that this package and its scripts use. tar's own declarations refer to
// Zstandard in zlib, which the types of Node 20 lack; `paths` in tsconfig.json substitutes this
// file.

/** An entry of an archive: its header, and its content as a stream. */
export interface ReadEntry extends AsyncIterable<Buffer> {
  readonly path: string
  /** `File`, `Directory`, `SymbolicLink`, ... */
  readonly type: string
  readonly size: number
  /** Discards the remaining content. */
  resume(): void
  destroy(error: Error): void
  on(event: 'error', listener: (error: Error) => void): this
  on(event: 'data', listener: (chunk: Buffer) => void): this
}

/** Reads the entries of an archive. */
export function list(options: {
  file: string
  strict: boolean
  onReadEntry: (entry: ReadEntry) => void
}): Promise<void>

/** Unpacks an archive without the first `strip` folders of each path. */
export function extract(options: {
  file: string
  cwd: string
  strip: number
  strict: boolean
}): Promise<void>

/** Writes an archive of files. */
export function create(
  options: { file: string; cwd: string; gzip: boolean; portable: boolean },
  paths: string[],
): Promise<void>

export class Parser {
  constructor(options: { strict: boolean; onReadEntry: (entry: ReadEntry) => void })
  on(event: 'ignoredEntry', listener: (entry: ReadEntry) => void): this
  on(event: 'end', listener: () => void): this
  on(event: 'error', listener: (error: Error) => void): this
  once(event: 'drain', listener: (value: unknown) => void): this
  /** @returns false if the caller should wait for `drain` */
  write(chunk: Buffer): boolean
  end(): this
}
