import type { ErrorCode } from '../native/generated.js'

/** The hint of each error code, for errors without a more specific hint. */
export const HINTS: Record<ErrorCode, string> = {
  E_CONFIG: 'Omit the key to use its default; config.schema.json documents every key.',
  E_UNKNOWN_KEY: 'Remove the key; config.schema.json lists all keys.',
  E_USAGE: 'See `residual COMMAND --help`, or the type declarations of the function.',
  E_DATA_NOT_FOUND: 'Check the path; `residual data list` shows the named data sets.',
  E_DATA_UNUSABLE: 'Create one folder per class and put its JPEG or PNG files inside.',
  E_DATA_FORMAT: 'Download or create the file again; docs/data.md describes the formats.',
  E_IMAGE: 'Re-save the file as JPEG or PNG with an image editor, or remove it.',
  E_DOWNLOAD: 'Run the same command again: the download resumes where it stopped.',
  E_OUT_EXISTS: 'Choose another folder with `out`, or set `overwrite` to replace this one.',
  E_OUT_IN_USE: 'Wait until the other run ends, or choose another folder with `out`.',
  E_WRITE: 'Choose an existing, writable folder on a disk with free space.',
  E_IO: 'Check that the path exists and that you have permission to read it.',
  E_CHECKPOINT: 'Pass a run folder, or a complete weights file.',
  E_MISMATCH: 'Use weights, data and configuration of the same run.',
  E_DIVERGED: 'Lower `optimizer.lr`, or add a warmup: `warmup: { epochs: 1 }`.',
  E_ABORTED: 'Run the command again, or call the function again.',
  E_CLOSED: 'Load the model again with `loadModel()`.',
  E_LIBTORCH: 'Run `residual doctor` to check the installation.',
  E_PLATFORM: 'Run `residual doctor` to check the installation.',
  E_DEVICE: 'Omit `device` to use the CPU; `residual doctor` shows what CUDA needs.',
  E_PORT: 'Choose another port, or omit `port` to use a free one.',
  E_MEMORY: 'Reduce `batchSize`, the network or `data.imageSize`.',
  E_TORCH: 'This may be a bug in residual: please report it together with the configuration.',
  E_PROCESS: 'Resume the run from its folder; the output of the training process names the cause.',
  E_DISTRIBUTED:
    'See the output of the other processes; docs/distributed.md describes the settings.',
  E_INTERNAL: 'This is a bug in residual: please report it together with the command or code.',
}
