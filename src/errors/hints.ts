import type { ErrorCode } from '../native/generated.js'

/**
 * What to do about a failure that has nothing better to say, by its code: a sentence for each, so
 * that nobody is left with a message alone.
 */
export const HINTS: Record<ErrorCode, string> = {
  E_CONFIG: 'Leave the key out for its default; config.schema.json describes all of them.',
  E_UNKNOWN_KEY: 'Leave the key out; config.schema.json lists all that there are.',
  E_USAGE: 'Look it up: `residual COMMAND --help` on the command line, the types in a program.',
  E_DATA_NOT_FOUND: 'Check the path; `residual data list` shows the data sets that have a name.',
  E_DATA_UNUSABLE: 'Give each class a folder of its own with JPEG or PNG files in it.',
  E_DATA_FORMAT: 'Fetch or make the file again; docs/data.md describes the formats.',
  E_IMAGE: 'Open the file in another program and save it again as JPEG or PNG, or remove it.',
  E_DOWNLOAD: 'Try again later: what has come is kept.',
  E_OUT_EXISTS: 'Choose another folder with `out`, or replace what is there with `overwrite`.',
  E_OUT_IN_USE: 'Wait until the other run has ended, or choose another folder with `out`.',
  E_WRITE: 'Choose a place that is there, may be written to, and has room.',
  E_IO: 'Check the path, and that the file may be read.',
  E_CHECKPOINT: 'Give the folder of a run, or a file of weights that is whole.',
  E_MISMATCH: 'Use weights, data and configuration that belong together.',
  E_DIVERGED: 'Lower `optimizer.lr`, or let it rise slowly with `warmup: { epochs: 1 }`.',
  E_ABORTED: 'Start it again.',
  E_CLOSED: 'Load the model again with `loadModel()`.',
  E_LIBTORCH: '`residual doctor` looks at the installation and says what to do.',
  E_PLATFORM: '`residual doctor` looks at the installation and says what to do.',
  E_DEVICE: 'Leave `device` out to use the CPU; `residual doctor` says what is missing for CUDA.',
  E_PORT: 'Choose another port, or leave it out for one that is free.',
  E_MEMORY: 'Choose a smaller `batchSize`, network or `data.imageSize`.',
  E_TORCH: 'Report it, with the configuration.',
  E_INTERNAL: 'This is a defect of residual: please report it, with what you did.',
}
