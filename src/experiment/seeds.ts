import { basename } from 'node:path'
import { ResidualError } from '../errors/errors.js'
import type { DataConfig } from '../native/generated.js'

/**
 * Validates a number of seeds.
 *
 * @throws {ResidualError} `E_CONFIG` unless `seeds` is a whole number from 1 to 1000
 */
export function checkSeeds(seeds: number): void {
  if (Number.isSafeInteger(seeds) && seeds >= 1 && seeds <= 1000) return
  throw new ResidualError({
    code: 'E_CONFIG',
    message: `\`seeds\` must be a whole number from 1 to 1000, not ${JSON.stringify(seeds)}`,
    at: { key: 'seeds' },
    hint: '`seeds` is the number of runs of each network; the first one has seed `seed`.',
  })
}

/** Returns the last component of a data set's path, for the name of the output folder. */
export function dataSetName(data: string | DataConfig | undefined): string {
  const source = typeof data === 'string' ? data : data?.source
  if (source === undefined) {
    throw new ResidualError({
      code: 'E_CONFIG',
      message: '`data` is missing',
      at: { key: 'data' },
      hint: "Set `data` to a name ('cifar10') or a path ('./cifar-10-batches-bin').",
    })
  }
  return basename(source) || 'data'
}

/**
 * Sets the same validation split for all seeds, unless `splitSeed` is given, because an experiment
 * measures the variation of training and not of the split.
 */
export function withFixedSplit(data: string | DataConfig | undefined): DataConfig {
  return { splitSeed: 0, ...(typeof data === 'string' ? { source: data } : data) }
}
