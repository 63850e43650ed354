import type { Split } from './generated.js'

/** Names of the splits in sentences. */
export const SPLIT_NAMES: Record<Split, string> = {
  train: 'training',
  val: 'validation',
  test: 'test',
}
