import { ResidualError } from '../errors/errors.js'
import type { ElectronModules } from './electron-modules.js'

/** Options of `createTrainer()`. Times are in milliseconds. */
export interface TrainerOptions {
  /**
   * Modules of Electron: `import * as electron from 'electron'`. The training process is then a
   * utility process. Default: a process of `child_process.fork()`, for Node.
   */
  electron?: ElectronModules | undefined
  /**
   * Restarts of the training process without a new checkpoint in between, after which the run fails
   * with `E_PROCESS`. Default: 3.
   */
  maxRestarts?: number | undefined
  /** Delay before the first restart; it doubles with each restart. Default: 500, at most 30,000. */
  restartDelay?: number | undefined
  /** Time between two heartbeats of the training process. Default: 1000. */
  heartbeatInterval?: number | undefined
  /** Silence after which the status is `unresponsive`. Default: 10,000. */
  silenceTimeout?: number | undefined
  /** Silence after which the training process is killed and restarted. Default: 60,000. */
  killTimeout?: number | undefined
  /**
   * Time that `close()` and a quit wait for the checkpoint of the run; `Infinity` waits until it is
   * saved. Default: 10,000.
   */
  closeTimeout?: number | undefined
  /**
   * On macOS, allow the training process to load libraries that are not signed by the team of the
   * application, as `utilityProcess.fork()` does. Default: false.
   */
  allowLoadingUnsignedLibraries?: boolean | undefined
}

/** Options with their defaults. */
export type ResolvedTrainerOptions = {
  [Key in Exclude<keyof TrainerOptions, 'electron'>]-?: NonNullable<TrainerOptions[Key]>
} & { electron: ElectronModules | undefined }

const DEFAULTS = {
  maxRestarts: 3,
  restartDelay: 500,
  heartbeatInterval: 1000,
  silenceTimeout: 10_000,
  killTimeout: 60_000,
  closeTimeout: 10_000,
  allowLoadingUnsignedLibraries: false,
}

/** The longest delay of a timer, in ms. Node replaces longer ones by 1 ms. */
export const MAX_DELAY = 2 ** 31 - 1

/**
 * Validates options and adds the defaults.
 *
 * @throws {ResidualError} `E_UNKNOWN_KEY`, `E_USAGE` with the name of the option
 */
export function resolveTrainerOptions(options: TrainerOptions): ResolvedTrainerOptions {
  const resolved: Record<string, unknown> = { ...DEFAULTS, electron: undefined }
  for (const [key, value] of Object.entries(options)) {
    if (!Object.hasOwn(resolved, key)) {
      throw new ResidualError({
        code: 'E_UNKNOWN_KEY',
        message: `unknown option \`${key}\``,
        at: { key },
        hint: `Known options: ${Object.keys(resolved).join(', ')}.`,
      })
    }
    if (value === undefined) continue
    const isNumberOption = typeof resolved[key] === 'number'
    if (isNumberOption && !(typeof value === 'number' && value >= 0)) {
      throw invalidOption(key, 'a number, 0 or more')
    }
    if (key === 'heartbeatInterval' && !(value >= 10 && value <= MAX_DELAY)) {
      throw invalidOption(key, `a number of milliseconds from 10 to ${MAX_DELAY}`)
    }
    if (key === 'electron' && typeof value?.utilityProcess?.fork !== 'function') {
      throw invalidOption(key, 'an object with the `utilityProcess` of Electron')
    }
    resolved[key] = value
  }
  return resolved as ResolvedTrainerOptions
}

function invalidOption(key: string, expected: string): ResidualError {
  const message = `\`${key}\` must be ${expected}`
  return new ResidualError({ code: 'E_USAGE', message, at: { key } })
}
