import type { RawPixels } from '../native/arguments/image.js'

/** An image that crosses processes: a path, the bytes of a JPEG or PNG file, or pixels. */
export type TrainerImage = string | Uint8Array | ArrayBuffer | RawPixels
