import { basename } from 'node:path'
import { ResidualError } from '../errors/errors.js'
import type { DataConfig } from '../native/generated.js'

/** @throws {ResidualError} `E_CONFIG` for what is no number of runs */
export function checkSeeds(seeds: number): void {
  if (Number.isSafeInteger(seeds) && seeds >= 1 && seeds <= 1000) return
  throw new ResidualError({
    code: 'E_CONFIG',
    message: `\`seeds\` must be a whole number from 1 to 1000, not ${JSON.stringify(seeds)}`,
    at: { key: 'seeds' },
    hint: 'It is how many runs there are of each network; the first one has `seed`.',
  })
}

/** What a folder is called after: the data's last name. */
export function dataSetName(data: string | DataConfig | undefined): string {
  const source = typeof data === 'string' ? data : data?.source
  if (source === undefined) {
    throw new ResidualError({
      code: 'E_CONFIG',
      message: '`data` is missing',
      at: { key: 'data' },
      hint: "Name a data set ('cifar10') or give a path ('./cifar-10-batches-bin').",
    })
  }
  return basename(source) || 'data'
}

/**
 * The data for runs that differ in their seed: the same images are held back from all of them, for
 * it is the training that is to vary. `splitSeed` says otherwise.
 */
export function withFixedSplit(data: string | DataConfig | undefined): DataConfig {
  return { splitSeed: 0, ...(typeof data === 'string' ? { source: data } : data) }
}
