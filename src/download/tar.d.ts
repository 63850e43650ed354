// What we call of `tar`. Its own declarations name zlib's Zstandard, which Node 20's types have not;
// tsconfig.json's `paths` puts this file in their place.

/** A member of an archive: its header, and its bytes as they are read. */
export interface ReadEntry extends AsyncIterable<Buffer> {
  readonly path: string
  /** `File`, `Directory`, `SymbolicLink`, ... */
  readonly type: string
  readonly size: number
  /** Reads on, into nothing. */
  resume(): void
  destroy(error: Error): void
  on(event: 'error', listener: (error: Error) => void): this
}

export class Parser {
  constructor(options: { strict: boolean; onReadEntry: (entry: ReadEntry) => void })
  on(event: 'ignoredEntry', listener: (entry: ReadEntry) => void): this
  on(event: 'end', listener: () => void): this
  on(event: 'error', listener: (error: Error) => void): this
  once(event: 'drain', listener: (value: unknown) => void): this
  /** @returns whether more may be written at once */
  write(piece: Buffer): boolean
  end(): this
}
